"""Forms that an image file may take, and damage done to it."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tests.forms.form import Form

SIZE = 32
OPTIONS = {"image_size": SIZE}


def encode(image: Image.Image, form: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def is_red(values) -> None:
    assert np.abs(values[""].reshape(3, -1).T.astype(int) - (255, 0, 0)).max() <= 3


FORMS = [
    Form("PNG", lambda: encode(Image.new("RGB", (40, 40), "red"), "PNG"), ".png", right=is_red, options=OPTIONS),
    Form("no image", lambda: b"hello", ".jpg", "corrupt", "not an image", options=OPTIONS),
]
