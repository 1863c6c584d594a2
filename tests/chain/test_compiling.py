"""Networks that are compiled, as far as that needs no compiler."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmcli.chain.compiling import require_compiler
from mmcli.chain.extractors import make_extractor
from mmcli.chain.transforms.extract_features import ExtractTransform, Use
from mmcli.errors import MmcliError
from mmcli.registry import parse_spec
from mmcli.runtime import Runtime
from mmcli.store.columns import FieldSpec, ModalitySpec

PHOTO = ModalitySpec("image", "photo", None, "0" * 64, {"": FieldSpec("dense", "uint8", (3, 64, 64), "CHW")})


def transform(extractor: str, compiled: bool) -> ExtractTransform:
    spec = parse_spec(extractor)
    uses = {"photo": Use("photo", spec, make_extractor(PHOTO, spec, 0))}
    return ExtractTransform(uses, {"photo": PHOTO}, "float32", Runtime(compiled=compiled))


def fingerprint(made: ExtractTransform) -> str:
    return made.modalities()["photo"].fingerprint


def test_a_missing_compiler_is_reported_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(MmcliError, match=r"needs a C\+\+ compiler, and there is no g\+\+ or clang\+\+"):
        require_compiler("cpu")
    require_compiler("cuda")
    (tmp_path / "clang++").touch(mode=0o755)
    require_compiler("cpu")


def test_compiled_features_have_their_own_fingerprint_and_stay_compiled() -> None:
    network = "resnet18:weights=none"
    compiled, plain = transform(network, True), transform(network, False)
    assert fingerprint(compiled) != fingerprint(plain)
    again = ExtractTransform.load(compiled.config(), {}, {"photo": PHOTO})
    assert again.compiled
    assert fingerprint(again) == fingerprint(compiled)
    assert "compiled" not in plain.config()


def test_without_a_network_there_is_nothing_to_compile() -> None:
    assert fingerprint(transform("hog", True)) == fingerprint(transform("hog", False))
