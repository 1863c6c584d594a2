"""What every registered encoder must do when it is frozen, whatever it computes."""

from __future__ import annotations

import numpy as np
import pytest

from mmcli.registry import ENCODERS, options_of, parse_spec
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, assemble
from mmcli.testing import check_encoder

SIDE = 32
LENGTHS = (0, 1, 5, 3, 7)
SAMPLES = (0, 1, 9000, 12000, 8000)
TEXTS = ("", "a", "the red rose and the sea", "sky", "a red rose " * 9)
SMALLER = {
    "wav2vec2_base": "layer=1", "hubert_base": "layer=1", "wavlm_base": "layer=2", "vit_b_16": "layer=2",
    "r3d_18": "frames=4", "s3d": "frames=8", "swin3d_t": "frames=4", "vgg16": "layer=-1",
}  # fmt: skip
"""Options under which a large network takes less time; the rest of it is more of the same."""
FAMILIES = {
    "timm": [("image", "timm:resnet10t:weights=none"), ("image", "timm:test_vit:weights=none,pool=none")],
    "hf": [
        ("text", "hf:bert:pool=none"), ("text", "hf:bert"), ("text", "hf:clip"), ("text", "hf:siglip"),
        ("image", "hf:clip"), ("image", "hf:siglip"), ("image", "hf:vit:pool=none"), ("audio", "hf:whisper:pool=none"),
        ("audio", "hf:whisper"), ("audio", "hf:ast"), ("video", "hf:videomae"),
    ],
}  # fmt: skip


def cases():
    for name in ENCODERS.names():
        if name in FAMILIES:
            yield from FAMILIES[name]
            continue
        options = [SMALLER[name]] if name in SMALLER else []
        if "weights" in options_of(ENCODERS.load(name)):
            options.append("weights=none")
        for kind in ENCODERS.constant(name, "kinds"):
            yield kind, f"{name}:{','.join(options)}".removesuffix(":")


def make_input(kind):
    generator = np.random.default_rng(0)
    facts, rows = {}, len(LENGTHS)
    if kind == "text":
        words = [text.split() for text in TEXTS]
        forms = {
            "": FieldSpec("ragged", "int32", (), "T", 64),
            "text": FieldSpec("ragged", "uint8", (), "T"),
            "tokens": FieldSpec("ragged", "uint8", (), "T"),
        }
        items = {
            "": [generator.integers(2, 20, len(row), dtype=np.int32) for row in words],
            "text": [np.frombuffer(text.encode(), np.uint8) for text in TEXTS],
            "tokens": [np.frombuffer("\n".join(row).encode(), np.uint8) for row in words],
        }
        facts = {"vocabulary": 20, "language": "en"}
    elif kind == "image":
        forms = {"": FieldSpec("dense", "uint8", (3, SIDE, SIDE), "CHW")}
        items = {"": list(generator.integers(0, 256, (rows, 3, SIDE, SIDE), dtype=np.uint8))}
        facts = {"size": [SIDE, SIDE]}
    elif kind == "audio":
        forms = {"": FieldSpec("ragged", "int16", (), "S", 160000)}
        items = {"": [generator.integers(-9000, 9000, count, dtype=np.int16) for count in SAMPLES]}
        facts = {"sample_rate": 16000}
    elif kind == "video":
        forms = {"": FieldSpec("ragged", "uint8", (3, SIDE, SIDE), "TCHW", 8)}
        items = {"": [generator.integers(0, 256, (count, 3, SIDE, SIDE), dtype=np.uint8) for count in LENGTHS]}
    elif kind == "table":
        forms = {"": FieldSpec("dense", "float32", (4,), "D"), "categories": FieldSpec("dense", "int32", (2,), "D")}
        items = {
            "": list(generator.normal(size=(rows, 4)).astype(np.float32)),
            "categories": list(generator.integers(0, 4, (rows, 2), dtype=np.int32)),
        }
        facts = {"numeric": ["a", "b"], "categorical": ["c", "d"], "categories": [4, 4]}
    else:
        forms = {"": FieldSpec("ragged", "float32", (6,), "TD", 64)}
        items = {"": [generator.normal(size=(count, 6)).astype(np.float32) for count in LENGTHS]}
    columns = {name: assemble(form, items[name]) for name, form in forms.items()}
    spec = ModalitySpec(kind, kind, None, "", forms, facts=facts)
    return spec, Column(columns, np.ones(rows, bool), np.zeros((rows, 16), np.uint8))


@pytest.mark.parametrize(("kind", "text"), cases())
def test_an_encoder_keeps_its_contract(kind, text, hf_folders):
    spec = parse_spec(text)
    if spec.name == "hf":
        spec = parse_spec(text.replace(f"hf:{spec.argument}", f"hf:{hf_folders[spec.argument]}"))
    check_encoder(kind, spec, make_input(kind), first=2)


def test_every_name_has_a_case_for_each_of_its_kinds():
    tested = {(parse_spec(text).name, kind) for kind, text in cases()}
    assert tested == {(name, kind) for name in ENCODERS.names() for kind in ENCODERS.constant(name, "kinds")}


@pytest.mark.parametrize("name", ENCODERS.names())
def test_pretrained_weights_have_an_origin_and_a_licence(name):
    found = ENCODERS.load(name)
    borrowed = name in FAMILIES or "weights" in options_of(found)
    assert bool(found.origin) == bool(found.licence) == borrowed
