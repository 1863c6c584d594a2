"""One array with a row per sample, read row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.modalities.tensor._formats import read_array
from mmcli.store.columns import Array


class RowArray:
    """The rows of an array; a .npy file is mapped, not loaded.

    Args:
        path: The file.
        max_bytes: Maximum size in memory of an array from any other file.

    Raises:
        MmcliError: The file does not exist, or holds no array with rows.
    """

    def __init__(self, path: str, max_bytes: int) -> None:
        self.path = path
        try:
            with Path(path).open("rb") as file:
                is_npy = file.read(6) == b"\x93NUMPY"
            if is_npy:
                self._rows: Array = np.load(path, mmap_mode="r", allow_pickle=False)
            else:
                self._rows = read_array(Path(path).read_bytes(), max_bytes)
        except FileNotFoundError:
            raise MmcliError(f"{path}: no such file") from None
        except OSError as error:
            raise MmcliError(f"{path}: cannot be read: {error.strerror}") from None
        except Exception as error:  # NumPy given a damaged header fails in any way
            raise MmcliError(f"{path}: {(str(error).splitlines() or ['damaged'])[0]}") from None
        if self._rows.ndim == 0:
            raise MmcliError(f"{path}: a single number; expected an array with a row for each sample")

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, number: Any) -> Array:
        """Return a row.

        Raises:
            MmcliError: ``number`` is not a row number, or is past the end.
        """
        count = len(self._rows)
        if not isinstance(number, int) or isinstance(number, bool):
            raise MmcliError(
                f"{self.path}: has {count} rows, but a table row has no valid row number (found {number!r})"
            )
        if not 0 <= number < count:
            raise MmcliError(
                f"{self.path}: has {count} rows, but the table has {number + 1} or more; expected a row for each"
            )
        return np.asarray(self._rows[number])
