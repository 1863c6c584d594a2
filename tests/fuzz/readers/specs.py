"""The grammar of names with arguments, and building what they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mmcli.chain.extractors import make_extractor, names_for, registry_for
from mmcli.chain.transforms.fuse import build_fusion
from mmcli.registry import EXTRACTORS, FUSIONS, KINDS, options_of, parse_spec
from mmcli.store.columns import FieldSpec, ModalitySpec
from tests.fuzz.guard import Case, Reader

_VALUES = (
    "",
    "0",
    "-1",
    "1",
    "2",
    "1-2",
    "2-1",
    "1e3",
    "nan",
    "inf",
    "-inf",
    "none",
    "true",
    "char_wb",
    "9" * 20,
    "9" * 5000,
    "1_0",
    "٣",
    "0x1",
    " 1",
    "1 ",
    "a:b",
    "x" * 300,
    "\0",
    "\ud800",
    "1--2",
    "-",
    "0-99999999999",
)


_FORMS = {kind: ModalitySpec(kind, "a", None, "ab" * 32, {"": FieldSpec("dense", "uint8", (3, 32, 32), "CHW")})
          for kind in KINDS}  # fmt: skip


def make(folder: Path) -> Reader:
    """Every registered extractor, encoder and fusion method."""
    places = {
        kind: {name: list(options_of(registry_for(kind, name).load(name))) for name in names_for(kind)}
        for kind in KINDS
        if EXTRACTORS[kind].names()
    }
    places["fusion"] = {name: list(options_of(FUSIONS.load(name))) for name in FUSIONS.names()}

    def read(case: Case) -> None:
        spec = parse_spec(case.content.decode("utf-8", "surrogatepass"))
        if parse_spec(str(spec)) != spec:
            raise AssertionError(f"{spec!r} is written as {str(spec)!r}")
        if case.name == "fusion":
            late = FUSIONS.constant(spec.name, "kind") == "late"
            build_fusion(spec, {"a": 3, "b": 3}, 0, "softmax" if late else None)
        elif spec.name not in ("resnet18", "resnet50") or "weights" in spec.options:
            make_extractor(_FORMS[case.name], spec, 0)

    return Reader(_cases(places), read)


@st.composite
def _cases(draw: Any, places: dict[str, dict[str, list[str]]]) -> Case:
    kind = draw(st.sampled_from(sorted(places)))
    if draw(st.integers(0, 2)) == 0:
        text = draw(st.text(st.sampled_from("ab:=,- 1\n"), max_size=20) | st.text(max_size=12))
        return Case(kind, text.encode("utf-8", "surrogatepass"))
    name = draw(st.sampled_from(sorted(places[kind])))
    known = places[kind][name] or ["x"]
    pairs = [f"{draw(st.sampled_from(known))}={draw(st.sampled_from(_VALUES))}" for _ in range(draw(st.integers(0, 3)))]
    argument = draw(st.sampled_from(("", "", "", *_VALUES)))
    text = ":".join(part for part in (name, argument, ",".join(pairs)) if part)
    return Case(kind, text.encode("utf-8", "surrogatepass"))
