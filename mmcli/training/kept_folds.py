"""Keeps the predictions of finished folds, so that an interrupted training does not repeat them."""

from __future__ import annotations

import contextlib

from mmcli.errors import MmcliError
from mmcli.store.columns import Array
from mmcli.store.state import State
from mmcli.store.writer import ArtifactWriter

FOLDER = "folds"


class KeptFolds:
    """The outputs of finished folds, in the folder of an unfinished model.

    Args:
        writer: Writer of that folder.
        request: The hash of the request; folds of another request are not reused.
        batch_size: The batch size; folds with another batch size are not reused.
    """

    def __init__(self, writer: ArtifactWriter, request: str, batch_size: int) -> None:
        self.writer = writer
        self.told = {"request": request, "batch_size": batch_size}

    def find(self, fold: int) -> Array | None:
        """Return the predictions of this fold's heads from an earlier run, if complete."""
        for folder in (self.writer.folder, self.writer.resumed):
            try:
                state = State.read(folder / FOLDER / self._name(fold))
            except MmcliError:
                continue  # absent, or truncated by a kill
            digest = state.values.pop("digest", None)
            if state.values == self.told and digest == state.digest():
                return state.tensors["outputs"]
        return None

    def keep(self, fold: int, outputs: Array) -> None:
        """Write the predictions of this fold's heads, (H, M, K)."""
        state = State(dict(self.told), {"outputs": outputs})
        State({**state.values, "digest": state.digest()}, state.tensors).write(
            self.writer.folder / FOLDER / self._name(fold)
        )

    def forget(self) -> None:
        """Remove the folds of this run, which are no longer needed."""
        folder = self.writer.folder / FOLDER
        for path in list(folder.glob(f"{self._start}-*")):
            path.unlink()
        with contextlib.suppress(OSError):  # absent, or used by another run
            folder.rmdir()

    @property
    def _start(self) -> str:
        return str(self.told["request"])[:12]

    def _name(self, fold: int) -> str:
        return f"{self._start}-{fold:02d}"
