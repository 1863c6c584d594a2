"""A stored artifact: its header, rows, ledger and shards, opened, read, inspected and verified."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mmcli.console.records import show_artifact, show_differences, show_rows
from mmcli.stages.inspect import inspect
from mmcli.stages.ledger import ledger as read_ledger
from mmcli.stages.verify import verify
from mmcli.store.artifact import Artifact, TransformRecord, is_artifact
from mmcli.store.header import header_digest
from mmcli.store.opening import join_by_id, open_samples
from tests.conftest import make_table
from tests.fuzz.guard import Case, Reader, refused
from tests.fuzz.mutation import damaged_bytes, damaged_json, damaged_lines
from tests.golden.make_format1 import make as make_golden

STAGES = ("preprocess", "extract-features", "fuse", "train")


def mended(header: Any) -> Any:
    """Make the hashes in a damaged header those of what it says, as far as it can be."""
    with suppress(Exception):  # damaged beyond that
        for record in header["chain"]:
            made = TransformRecord(record["stage"], record["version"], record["config"], record["states"])
            record["fingerprint"] = made.fingerprint
    with suppress(Exception):  # damaged beyond that
        header["digest"] = header_digest(header)
    return header


def read_whole(path: Path, sound: Path) -> None:
    """Read everything of an artifact that commands read."""
    is_artifact(path, "preprocess")
    with refused(), redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")):
        show_artifact(inspect(path), False)
    with refused(), redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")):
        show_artifact(inspect(path), True)
    with refused(), redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")):
        show_differences(verify(path), False)
    with refused():
        verify(path, media=True)
    with refused(), redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")):
        show_rows(read_ledger(path, count=True), False)
    with refused():
        list(Artifact(path).rows)
    with refused():
        artifact = Artifact(path)
        for record in artifact.chain:
            artifact.states(record)
    with refused():
        join_by_id([open_samples(str(sound), STAGES), open_samples(str(path), STAGES)])
    with refused():
        open_samples(str(path), STAGES, limit=2).batch(0, 2)
    samples = open_samples(str(path), STAGES)
    samples.ids()
    samples.splits()
    len(samples.chain)
    for start, stop in samples.ranges(3):
        batch = samples.batch_with_reasons(start, stop)
        for name, spec in samples.modalities.items():
            for field, form in spec.fields.items():
                if form.dtype == "uint8" and form.layout == "ragged":
                    batch.columns[name].texts(field)


def make(folder: Path) -> Reader:
    """The golden artifact, and one of each kind of input that can be had quickly."""
    from mmcli.stages.preprocess import preprocess

    make_golden(folder / "golden")
    make_table(folder, 12)
    preprocess(str(folder / "table.csv"), folder / "samples", text=["words"], image=["picture"], numeric=["size"],
               target="label", image_size=8)  # fmt: skip
    files = {}
    for name in ("golden", "samples"):
        for path in sorted((folder / name).rglob("*")):
            if path.is_file():
                files[path.relative_to(folder).as_posix()] = path.read_bytes()

    def read(case: Case) -> None:
        path = folder / case.name
        beside = folder / "damaged"
        beside.write_bytes(case.content)
        os.replace(beside, path)
        try:
            read_whole(folder / case.name.split("/")[0], folder / "golden")
        finally:
            beside.write_bytes(files[case.name])
            os.replace(beside, path)

    return Reader(_cases(files), read)


@st.composite
def _cases(draw: Any, files: dict[str, bytes]) -> Case:
    headers = [name for name in files if name.endswith("/artifact.json")]
    name = draw(st.sampled_from(headers + list(files)))
    content = files[name]
    if name.endswith(".json"):
        return Case(name, draw(damaged_json(content, mended) if name in headers else damaged_json(content)))
    return Case(name, draw(damaged_lines(content) if name.endswith(".jsonl") else damaged_bytes(content)))
