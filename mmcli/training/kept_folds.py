"""What finished folds of a training predicted, so that an interrupted one does them once."""

from __future__ import annotations

import contextlib

from mmcli.errors import MmcliError
from mmcli.store.columns import Array
from mmcli.store.state import State
from mmcli.store.writer import ArtifactWriter

FOLDER = "folds"


class KeptFolds:
    """The outputs of finished folds, in the folder of a model in the making.

    Args:
        writer: Of that folder.
        request: What was asked for: the folds of another request are not taken up.
        batch_size: The rows in a batch; nor are those of other batches.
    """

    def __init__(self, writer: ArtifactWriter, request: str, batch_size: int) -> None:
        self.writer = writer
        self.told = {"request": request, "batch_size": batch_size}

    def find(self, fold: int) -> Array | None:
        """Return what this fold's heads predicted in a run before, if it is there and whole."""
        for folder in (self.writer.folder, self.writer.resumed):
            try:
                state = State.read(folder / FOLDER / self._name(fold))
            except MmcliError:
                continue  # not there, or cut off by a kill
            digest = state.values.pop("digest", None)
            if state.values == self.told and digest == state.digest():
                return state.tensors["outputs"]
        return None

    def keep(self, fold: int, outputs: Array) -> None:
        """Write what this fold's heads predicted, (H, M, K)."""
        state = State(dict(self.told), {"outputs": outputs})
        State({**state.values, "digest": state.digest()}, state.tensors).write(
            self.writer.folder / FOLDER / self._name(fold)
        )

    def forget(self) -> None:
        """Remove those of this run: what was learnt from them is in the network."""
        folder = self.writer.folder / FOLDER
        for path in list(folder.glob(f"{self._start}-*")):
            path.unlink()
        with contextlib.suppress(OSError):  # not there, or another run has folds in it
            folder.rmdir()

    @property
    def _start(self) -> str:
        return str(self.told["request"])[:12]

    def _name(self, fold: int) -> str:
        return f"{self._start}-{fold:02d}"
