"""Pipeline files, checked as run does before its first stage, and the files of --config."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from typer.main import get_command

from mmcli.cli import app
from mmcli.errors import MmcliError
from mmcli.stages.pipeline import read_pipeline
from tests.conftest import SAMPLE
from tests.fuzz.guard import Case, Reader
from tests.fuzz.mutation import damaged_bytes, damaged_value, dumped

CONFIG = {
    "text": ["name"], "image": "picture", "numeric": ["a", "b"], "target": "label", "image-size": 64, "seed": 3,
    "max-seconds": 1.5, "lower": True, "max-errors": "5%", "on-error": "keep", "limit": 2, "quiet": True,
}  # fmt: skip
_WORDS = (
    "&a", "*a", "<<: *a", "!!python/object/apply:os.system [a]", "!!binary a", "!!set {a}", "!!timestamp 2001-13-01",
    "2001-13-45", "0o9", "1:99:99", "0b", "? [a]", "? {a: b}", "- ", "[", "{", "|", ">", "%YAML 9.9", "---", "...",
    "\t", "\x85", "null", "~", ".inf", ".nan", "1e999", "[[" * 3000, "- " * 3000, "&a [*a, *a]", "0x", "-", "!!int a",
    "!!float a", "!!int 0x", "1_", "=", "stages", "source",
)  # fmt: skip


def make(folder: Path) -> Reader:
    """The pipeline of the sample data, and a configuration with an option of each type."""
    for name in ("preprocess", "extract_features", "fuse", "train", "evaluate", "predict"):
        import_module(f"mmcli.stages.{name}")  # before memory is bounded
    command = get_command(app)
    pipeline = (SAMPLE / "pipeline.yaml").read_bytes()

    def read(case: Case) -> None:
        path = folder / case.name
        path.write_bytes(case.content)
        if case.name == "pipeline.yaml":
            read_pipeline(path)
        else:
            _configure(path, folder, command)

    return Reader(_cases({"pipeline.yaml": pipeline, "config.yaml": dumped(CONFIG)}), read)


def _configure(path: Path, folder: Path, command: Any) -> None:
    """Start preprocess on a table that is not there: all of its options are read before it is looked for."""
    arguments = ["preprocess", str(folder / "none.csv"), "-o", str(folder / "out"), "--config", str(path)]
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            command.main(arguments, standalone_mode=False)
    except Exception as error:
        # A usage error of the command line's library: it is shown as one and exits with 2.
        if not any(kind.__name__ in ("ClickException", "Exit", "Abort") for kind in type(error).__mro__):
            raise
        raise MmcliError(str(error)) from None


@st.composite
def _cases(draw: Any, files: dict[str, bytes]) -> Case:
    import yaml

    name = draw(st.sampled_from(sorted(files)))
    how = draw(st.integers(0, 3))
    if how == 0:
        return Case(name, draw(damaged_bytes(files[name])))
    if how == 1:
        value = draw(damaged_value(yaml.safe_load(files[name])))
        return Case(name, dumped(value) if draw(st.booleans()) else yaml.safe_dump(value).encode("utf-8", "replace"))
    parts = re.split(rb"([\s,:]+)", files[name])
    for _ in range(draw(st.integers(1, 4))):
        parts[draw(st.integers(0, len(parts) - 1))] = draw(st.sampled_from(_WORDS)).encode()
    return Case(name, b"".join(parts))
