"""Writes an artifact next to its final name and publishes it only when complete."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from mmcli.errors import MmcliError
from mmcli.store.artifact import RUN, is_artifact
from mmcli.store.header import FORMAT, HEADER, header_digest
from mmcli.store.keys import file_digest
from mmcli.store.publish import FolderLock, partial_folder, publish, recover
from mmcli.store.state import State


class ArtifactWriter:
    """A context manager for an unfinished artifact; without a call of ``publish`` no artifact results.

    After a kill or an interrupt the finished shards stay in the partial folder and are moved to ``resume/`` when the
    same output is written again. After an expected failure nothing stays.

    Args:
        output: The final folder.
        stage: The stage that writes it.
        fresh: Discard the work of interrupted runs.

    Raises:
        MmcliError: The output exists and is not an artifact of this stage, cannot be written, or is being written.
    """

    def __init__(self, output: Path, stage: str, fresh: bool = False) -> None:
        self.output = Path(os.path.abspath(output))
        self.stage = stage
        self.fresh = fresh
        self.folder = partial_folder(self.output)
        self.known_digests: dict[str, str] = {}
        self._published = False

    def __enter__(self) -> Self:
        check_output(self.output, self.stage)
        try:
            self.output.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.folder, self.output)
        except OSError as error:
            raise MmcliError(f"{self.output}: cannot be written: {error.strerror}") from None
        recover(self.output)
        self._set_aside()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        in_vain = kind is None or issubclass(kind, MmcliError) or not self._holds_work()
        if not self._published and in_vain:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    @property
    def resumed(self) -> Path:
        """The folder that holds the work of an interrupted run, if there was one."""
        return self.folder / "resume"

    def write_state(self, folder: str, states: Mapping[str, State]) -> None:
        """Write fitted state below ``state/``."""
        for part, state in states.items():
            state.write(self.folder / "state" / folder / part)

    def publish(self, header: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
        """Write ``artifact.json`` and ``run.json`` and give the folder its final name; return the header."""
        shutil.rmtree(self.resumed, ignore_errors=True)
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        digests = {}
        for path in files:
            name = path.relative_to(self.folder).as_posix()
            digests[name] = self.known_digests.get(name) or file_digest(path)
        whole = {"format": FORMAT, **header, "files": digests}
        whole["digest"] = header_digest(whole)
        _write_json(self.folder / HEADER, whole)
        _write_json(self.folder / RUN, run)
        publish(self.folder, self.output)
        self._published = True
        return whole

    def _holds_work(self) -> bool:
        return any(self.folder.rglob("*.safetensors"))

    def _set_aside(self) -> None:
        """Move the finished work of an interrupted run to where this run looks it up."""
        if self.fresh:
            for path in self.folder.iterdir():
                _remove(path)
            return
        for path in list(self.folder.iterdir()):
            if path.name in ("tensors", "checkpoint", "folds", "runs"):
                (self.resumed / path.name).mkdir(parents=True, exist_ok=True)
                for file in path.iterdir():
                    if file.suffix != ".writing":
                        os.replace(file, self.resumed / path.name / file.name)
            if path != self.resumed:
                _remove(path)


def check_output(output: Path, stage: str) -> None:
    """Refuse an output folder that holds anything but an artifact of this stage.

    Raises:
        MmcliError: It holds something else, cannot be created, or lies inside an artifact, which may be replaced later.
    """
    if output.is_symlink() and not output.exists():
        raise MmcliError(f"{output}: a broken link (to {os.readlink(output)})")
    file = next((folder for folder in output.parents if folder.is_file()), None)
    if file is not None:
        raise MmcliError(f"{output}: cannot be written: {file} is a file, not a folder")
    around = next((folder for folder in output.parents if is_artifact(folder)), None)
    if around is not None:
        raise MmcliError(f"{output}: lies inside the artifact {around}; choose an -o outside it")
    if not output.exists():
        return
    if output.is_dir():
        if _removed_empty(output):
            return
        if is_artifact(output, stage):
            return
    other = "holds another stage's artifact" if is_artifact(output) else "exists and is not an artifact"
    raise MmcliError(f"{output}: {other}, and is left unchanged; choose another -o")


def _removed_empty(folder: Path) -> bool:
    """Remove a folder if it is empty; return whether it was."""
    try:
        if any(folder.iterdir()):
            return False
        folder.rmdir()
    except PermissionError:
        return False
    except OSError as error:  # another writer has filled or removed it since it was listed
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
        return not folder.exists()
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except UnicodeEncodeError:  # a path whose name is not UTF-8, which JSON can escape
        path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
