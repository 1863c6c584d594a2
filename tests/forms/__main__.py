"""Writes docs/inputs.md."""

import tempfile
from pathlib import Path

from tests.forms.catalogue import PAGE, page, run_all

with tempfile.TemporaryDirectory() as folder:
    PAGE.write_text(page(*run_all(Path(folder))))
