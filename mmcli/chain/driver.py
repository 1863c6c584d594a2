"""Runs one transform over rows, shard by shard, into an artifact; used by preprocess, extract-features and fuse."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shlex
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mmcli.chain.transforms import Transform, record_of
from mmcli.engines.local import run_shards
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.artifact import Artifact, Roles, TransformRecord, is_artifact, shard_path
from mmcli.store.columns import Batch, LedgerEntry, Row
from mmcli.store.earlier import Earlier, link_or_copy
from mmcli.store.repack import leave_out
from mmcli.store.rows import RowFile, dump_row
from mmcli.store.samples import ROW, STATUS
from mmcli.store.state import State
from mmcli.store.tensors import rows_per_shard, write_shard
from mmcli.store.writer import ArtifactWriter

PACKAGES = (
    "mmcli",
    "torch",
    "torchvision",
    "torchaudio",
    "spacy",
    "numpy",
    "scikit-learn",
    "pillow",
    "soundfile",
    "av",
    "faiss-cpu",
)


@dataclass(frozen=True)
class Work:
    """One transform and the rows to run it on.

    Args:
        transform: The fitted transform.
        count: Number of rows.
        batch: Returns rows ``start`` to ``stop``, exclusive, with the columns that the transform needs.
        roles: The columns of ids, splits, targets and groups.
        upstream: The records and states of the transforms before this one.
        header: Further entries of ``artifact.json``: source, parameters, seed and so on.
        lines: Returns the same rows as JSON without ``row`` and ``status``, if the JSON is available.
        accept: Called with every ledger entry; may raise to stop the run.
        finish: Called after all shards are written and before the artifact is published; may raise to stop it.
        leave_out: Called after ``finish``; returns the rows to drop because of bad inputs.
        without_target: The rows to drop because they have no target.
    """

    transform: Transform
    count: int
    batch: Callable[[int, int], Batch]
    roles: Roles
    upstream: list[tuple[TransformRecord, dict[str, State]]]
    header: dict[str, Any]
    lines: Callable[[int, int], Sequence[bytes]] | None = None
    accept: Callable[[LedgerEntry], None] = lambda entry: None
    finish: Callable[[Path], None] = lambda folder: None
    leave_out: Callable[[], set[int]] = set
    without_target: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Summary:
    """What a stage did, as printed and as ``--json`` writes it."""

    stage: str
    output: str
    rows: int
    seconds: float
    computed: int
    reused: int
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class _Written:
    """The record of a written shard, with the ``status`` of each row and the shard's ``lines`` of the manifest."""

    status: list[dict[str, str]]
    entries: list[LedgerEntry]
    cells: list[LedgerEntry]
    lines: bytes
    computed: int
    reused: int


def drive(writer: ArtifactWriter, work: Work, runtime: Runtime, reporter: Reporter, began: float) -> Summary:
    """Write the artifact: every shard, the manifest, the ledger and the header.

    A shard whose items all equal those of an earlier shard with the same number is a hard link to it.
    """
    transform = work.transform
    modalities = transform.modalities()
    size = rows_per_shard(modalities)
    before = Artifact(writer.output) if is_artifact(writer.output, writer.stage) and not writer.fresh else None
    places = [writer.resumed / "tensors"] + ([before.path / "tensors"] if before else [])
    earlier = Earlier(places, modalities)
    (writer.folder / "tensors").mkdir()
    counts = {name: Counter({"ok": 0, "missing": 0, "corrupt": 0, "skipped": 0}) for name in modalities}
    reasons: dict[str, Counter[str]] = {name: Counter() for name in modalities}
    computed = reused = 0

    def apply(number: int) -> Batch:
        start = number * size
        return transform.apply(work.batch(start, min(start + size, work.count)), runtime, earlier)

    def write(number: int, batch: Batch) -> _Written:
        columns = {name: batch.columns[name] for name in modalities}
        target = shard_path(writer.folder, number)
        same = earlier.same_shard(number, columns)
        if same is None:
            writer.known_digests[f"tensors/{target.name}"] = write_shard(target, columns)
        else:
            link_or_copy(same, target)
            if before is not None and same.parent == before.path / "tensors":
                writer.known_digests[f"tensors/{target.name}"] = before.header["files"][f"tensors/{target.name}"]
        found = sum(earlier.count(name, column) for name, column in columns.items())
        present = sum(int(column.present.sum()) for column in columns.values())
        entries = sorted((entry for entry in batch.ledger if entry.modality in modalities), key=lambda e: e.row)
        status = [dict.fromkeys(modalities, "ok") for _ in range(len(batch))]
        for entry in entries:
            status[entry.row][entry.modality] = entry.status
        lines = b"".join(_manifest_lines(work, batch.rows, number * size, status))
        return _Written(status, entries, batch.cells, lines, present - found, found)

    shards = -(-work.count // size)
    with (
        (writer.folder / "manifest.jsonl").open("wb") as manifest,
        (writer.folder / "ledger.jsonl").open("wb") as ledger,
        reporter.progress(writer.stage, work.count) as progress,
    ):
        for number, written in enumerate(run_shards(apply, write, range(shards))):
            computed, reused = computed + written.computed, reused + written.reused
            for entry in written.entries:
                reasons[entry.modality][entry.reason] += 1
            for entry in sorted([*written.entries, *written.cells], key=lambda entry: entry.row):
                work.accept(entry)
                ledger.write(dump_row(dataclasses.replace(entry, row=number * size + entry.row).to_json()))
            manifest.write(written.lines)
            for name, found_of in counts.items():
                found_of.update(each[name] for each in written.status)
            progress.advance(len(written.status))
    for name, found_of in counts.items():
        if work.count and not found_of["ok"]:
            reason, times = reasons[name].most_common(1)[0]
            reporter.warn(
                f"{name}: no usable input in any of the {work.count} rows ({reason} × {times}; see mmcli ledger)"
            )
    work.finish(writer.folder)
    count, bad = work.count, work.leave_out()
    dropped = bad | work.without_target
    if dropped:
        count, counts = leave_out(writer.folder, dropped, modalities, count, size)
        if bad:
            reporter.warn(f"{len(bad)} samples with bad inputs are dropped (mmcli ledger lists them)")
        writer.known_digests.clear()
    for record, states in [*work.upstream, (record_of(transform), transform.states())]:
        writer.write_state(record.folder, states)
    header = {
        "stage": writer.stage,
        "rows": count,
        "rows_per_shard": size,
        "columns": work.roles.to_json(),
        **work.header,
        **({"splits": _splits(writer.folder, work.roles)} if dropped and "splits" in work.header else {}),
        "chain": [record.to_json() for record, _ in work.upstream] + [record_of(transform).to_json()],
        "modalities": {name: spec.to_json() for name, spec in modalities.items()},
        "counts": {name: dict(count) for name, count in counts.items()},
    }
    writer.publish(header, run_record(began, runtime, computed=computed, reused=reused))
    return Summary(
        stage=writer.stage, output=str(writer.output), rows=count, seconds=round(time.time() - began, 2),
        computed=computed, reused=reused, counts=header["counts"],
    )  # fmt: skip


def _splits(folder: Path, roles: Roles) -> dict[str, int]:
    return dict(sorted(Counter(str(row[roles.split]) for row in RowFile(folder / "manifest.jsonl")).items()))


def _manifest_lines(work: Work, rows: Sequence[Row], start: int, status: list[dict[str, str]]) -> Iterator[bytes]:
    """Yield the lines of the manifest: raw columns, ``row``, and the status of each modality."""
    if work.lines is None:
        for number, (row, state) in enumerate(zip(rows, status, strict=True), start):
            plain = {key: value for key, value in row.items() if key not in (ROW, STATUS)}
            yield dump_row({**plain, ROW: number, STATUS: state})
        return
    tails: dict[tuple[str, ...], bytes] = {}
    for number, (line, state) in enumerate(zip(work.lines(start, start + len(rows)), status, strict=True), start):
        key = tuple(state.values())
        if key not in tails:
            tails[key] = f', "{STATUS}": {json.dumps(state, ensure_ascii=False)}}}\n'.encode()
        yield b'%b, "row": %d%b' % (line[:-1], number, tails[key])


def learnt_before(output: Path) -> dict[str, tuple[str, State]]:
    """Return the fitted state of the artifact at ``output``, each part with the hash of its training data."""
    if not is_artifact(output):
        return {}
    artifact = Artifact(output)
    states = artifact.states(artifact.chain[-1])
    hashes = artifact.header.get("learnt_from", {})
    return {part: (hashes[part], state) for part, state in states.items() if part in hashes}


def up_to_date(output: Path, stage: str, header: Mapping[str, Any], config: Mapping[str, Any]) -> Artifact | None:
    """Return the artifact at ``output`` if its source and options are the same and all its files exist."""
    if not is_artifact(output, stage):
        return None
    artifact = Artifact(output)
    expected = {**header, "config": config}
    found = {**artifact.header, "config": artifact.chain[-1].config}
    same = all(json.loads(json.dumps(value)) == found.get(key) for key, value in expected.items())
    whole = all((artifact.path / name).is_file() for name in artifact.header["files"])
    return artifact if same and whole else None


def summary_of(artifact: Artifact, began: float) -> Summary:
    """Return the summary of an artifact that was up to date."""
    return Summary(
        stage=artifact.stage, output=str(artifact.path), rows=len(artifact), seconds=round(time.time() - began, 2),
        computed=0, reused=sum(count["ok"] for count in artifact.header["counts"].values()),
        counts=artifact.header["counts"],
    )  # fmt: skip


def device_used(runtime: Runtime) -> str:
    """Return the device that torch took, a GPU with its name; what was asked for where torch was not needed."""
    torch = sys.modules.get("torch")
    if torch is None:
        return runtime.device
    device = runtime.torch_device() if runtime.device == "auto" else runtime.device
    return f"{device} ({torch.cuda.get_device_name()})" if device == "cuda" and torch.cuda.is_initialized() else device


def run_record(began: float, runtime: Runtime, **more: Any) -> dict[str, Any]:
    """Return the content of ``run.json``: everything that may differ from run to run."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "command": shlex.join(["mmcli", *sys.argv[1:]]),
        "folder": os.getcwd(),
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        "seconds": round(time.time() - began, 3),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "jobs": runtime.jobs,
        "device": device_used(runtime),
        "deterministic": runtime.deterministic,
        "versions": versions,
        **more,
    }
