"""The contract test of extractors."""

from __future__ import annotations

import numpy as np

from mmcli.chain.extractors import make_extractor
from mmcli.errors import MmcliError
from mmcli.modalities import Extractor
from mmcli.registry import Spec, parse_spec
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, Dense, ModalitySpec, Ragged, Tensor
from mmcli.testing.inputs import sample_input


def check_extractor(kind: str, text: str | Spec, side: int = 64) -> None:
    """Check that an extractor keeps the contract of ``mmcli.modalities.Extractor`` on sample input of a kind.

    Its features have the declared form, are finite and differ between rows; a row's features depend only on that row,
    to the last bit; its state is complete; an empty row is a clear error.

    Args:
        kind: Kind of the modality.
        text: Its name and options, as in ``--use``.
        side: Side of images and frames in pixels.

    Raises:
        AssertionError: It violates the contract.
    """
    asked = parse_spec(text) if isinstance(text, str) else text
    spec, column = sample_input(kind, side)
    extractor = make_extractor(spec, asked, seed=0)
    if extractor.fitted:
        extractor.fit(spec, [column.take(np.arange(3)), column.take(np.arange(3, len(column)))])
    whole = extractor.extract(spec, column, Runtime(batch_size=4))
    _check_form(extractor, spec, whole, len(column))
    _check_rows_stand_alone(extractor, spec, column, rows_of(whole))
    assert len({row.tobytes() for row in rows_of(whole)}) > 2, "features of different rows are equal"
    other = make_extractor(spec, asked, seed=0)
    if extractor.fitted:
        other.load_state(extractor.state())
    assert other.output(spec) == extractor.output(spec), "the form of the features is not part of the state"
    same = rows_of(other.extract(spec, column, Runtime(batch_size=4)))
    assert all(map(np.array_equal, rows_of(whole), same)), "restored from its state, it gives different features"
    _check_empty(extractor, spec, column)


def rows_of(features: Tensor) -> list[Array]:
    """Return the rows of features."""
    return [np.asarray(features.item(row)) for row in range(len(features))]


def _check_form(extractor: Extractor, spec: ModalitySpec, features: Tensor, rows: int) -> None:
    form = extractor.output(spec)
    assert isinstance(features, Dense if form.layout == "dense" else Ragged), f"output says {form.layout}"
    assert len(features) == rows, f"{len(features)} rows of features for {rows}"
    for row in rows_of(features):
        assert row.dtype == np.dtype(form.dtype), f"output says {form.dtype}, extract returns {row.dtype}"
        shape = row.shape if form.layout == "dense" else row.shape[1:]
        assert shape == form.dims, f"output says {form.dims}, extract returns {shape}"
        assert np.isfinite(row).all(), "a feature is not finite"
    assert len(form.axes) == len(form.dims) + (form.layout == "ragged"), f"output says {form.dims} with {form.axes!r}"


def _check_rows_stand_alone(extractor: Extractor, spec: ModalitySpec, column: Column, whole: list[Array]) -> None:
    again = rows_of(extractor.extract(spec, column, Runtime(batch_size=4, jobs=3)))
    assert all(map(np.array_equal, whole, again)), "features depend on the number of workers"
    order = np.array([5, 2, 6])
    some = rows_of(extractor.extract(spec, column.take(order), Runtime(batch_size=4)))
    for place, row in enumerate(order.tolist()):
        assert np.array_equal(some[place], whole[row]), "a row's features depend on other rows of the batch"


def _check_empty(extractor: Extractor, spec: ModalitySpec, column: Column) -> None:
    if not any(isinstance(tensor, Ragged) for tensor in column.fields.values()):
        return  # dense rows cannot be empty
    empty = {
        name: Ragged(tensor.values[:0], np.zeros(2, np.int64)) if isinstance(tensor, Ragged) else tensor
        for name, tensor in column.take(np.arange(1)).fields.items()
    }
    try:
        extractor.extract(spec, Column(empty, np.ones(1, bool), column.key[:1]), Runtime())
    except MmcliError as error:
        assert any(word in str(error) for word in ("empty", "T = 0", "no ")), (
            f"an empty row gives an unclear error: {error}"
        )
    else:
        raise AssertionError("an empty row is accepted; expected MmcliError")
