"""Arrow files of both forms (IPC file and stream), read batch by batch.

A file is never mapped into memory: truncating one that is mapped kills the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

_MAGIC = b"ARROW1"


class ArrowFile:
    """An Arrow file, opened anew for each read.

    Args:
        path: The file.

    Raises:
        ArrowException, OSError, ValueError: The file is damaged; every method raises these too.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow

        self.path = path
        with path.open("rb") as file:
            self._is_stream = file.read(len(_MAGIC)) != _MAGIC
        with closing(pyarrow.OSFile(str(path))) as file:
            self.schema = self._reader(file).schema
        self._positions: list[int] | None = None

    def batches(self) -> Iterator[Any]:
        """Yield each record batch, validated."""
        import pyarrow

        with closing(pyarrow.OSFile(str(self.path))) as file:
            reader = self._reader(file)
            if self._is_stream:
                found = iter(reader)
            else:
                found = (reader.get_batch(number) for number in range(reader.num_record_batches))
            for batch in found:
                yield _validated(batch)

    def sizes(self) -> list[int]:
        """Return the number of rows of each batch, and remember where a stream's batches are."""
        if not self._is_stream:
            return [batch.num_rows for batch in self.batches()]
        sizes, positions = [], []
        for position, message in self._messages():
            if message.type == "dictionary":
                return [batch.num_rows for batch in self.batches()]
            if message.type == "record batch":
                positions.append(position)
                sizes.append(self._decoded(message).num_rows)
        self._positions = positions
        return sizes

    def batch(self, number: int) -> Any:
        """Return one batch, validated; call ``sizes`` first to reach those of a stream without reading all before."""
        import pyarrow

        if not self._is_stream:
            with closing(pyarrow.OSFile(str(self.path))) as file:
                return _validated(self._reader(file).get_batch(number))
        if self._positions is None:
            return next(batch for place, batch in enumerate(self.batches()) if place == number)
        with closing(pyarrow.OSFile(str(self.path))) as file:
            file.seek(self._positions[number])
            return self._decoded(pyarrow.ipc.read_message(file))

    def _reader(self, file: Any) -> Any:
        import pyarrow

        return pyarrow.ipc.open_stream(file) if self._is_stream else pyarrow.ipc.open_file(file)

    def _messages(self) -> Iterator[tuple[int, Any]]:
        import pyarrow

        with closing(pyarrow.OSFile(str(self.path))) as file:
            size = file.size()
            while (position := file.tell()) < size:
                try:
                    message = pyarrow.ipc.read_message(file)
                except EOFError:  # the end-of-stream marker
                    return
                yield position, message

    def _decoded(self, message: Any) -> Any:
        import pyarrow

        return _validated(pyarrow.ipc.read_record_batch(message, self.schema))


def _validated(batch: Any) -> Any:
    """Check a batch's buffers: pyarrow trusts the layout that a file declares, and crashes where it is wrong."""
    batch.validate(full=True)
    return batch
