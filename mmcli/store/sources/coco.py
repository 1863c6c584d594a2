"""COCO's captions: one JSON object of images and annotations, a row for each caption."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError
from mmcli.store.columns import Row

_LARGEST = 2**30
COLUMNS = ["id", "image", "caption", "image_id"]
NOTE = "a row for each caption; --group-by image_id keeps those of a picture together"


def is_coco(path: Path) -> bool:
    """Tell whether a JSON file begins as COCO's do: one object, whose first names are among COCO's."""
    with path.open("rb") as file:
        start = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    names = (b'"info"', b'"images"', b'"annotations"', b'"licenses"', b'"categories"', b'"type"')
    return start.startswith(b"{") and start[1:].lstrip().startswith(names)


def read_coco(path: Path) -> tuple[int, Iterator[tuple[str, Row]]]:
    """Return how many captions there are, and a row for each: id, image, caption and image_id.

    Raises:
        MmcliError: The file is damaged, or holds annotations of another kind.
    """
    if path.stat().st_size > _LARGEST:
        raise MmcliError(f"{path}: larger than {_LARGEST:,} bytes; split it")
    try:
        whole: Any = json.loads(path.read_bytes())
        names = {image["id"]: image["file_name"] for image in whole["images"]}
        annotations = whole["annotations"]
        captions = [annotation for annotation in annotations if "caption" in annotation]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise MmcliError(f"{path}: not COCO's captions ({type(error).__name__}: {str(error)[:80]})") from None
    if not captions:
        kinds = "boxes or segments" if any("bbox" in each for each in annotations[:10]) else "nothing that is known"
        raise MmcliError(f"{path}: COCO annotations of {kinds}, expected captions; list the files in a table")
    return len(captions), _rows(path, names, captions)


def _rows(path: Path, names: dict[Any, str], captions: list[dict[str, Any]]) -> Iterator[tuple[str, Row]]:
    for number, each in enumerate(captions, 1):
        where = f"{path}, caption {number}"
        if each.get("image_id") not in names:
            raise MmcliError(f"{where}: of the image {each.get('image_id')!r}, which is not among the images")
        identity = each.get("id", number)
        yield (
            where,
            {
                "id": str(identity), "image": str(names[each["image_id"]]), "caption": str(each["caption"]),
                "image_id": str(each["image_id"]),
            },
        )  # fmt: skip
