import numpy as np
import pytest
import torch

from mmcli.chain.frozen import FrozenEncoder
from mmcli.encoders.torchvision.resnet18 import Resnet18
from mmcli.errors import MmcliError
from mmcli.registry import parse_spec
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, Dense, FieldSpec, ModalitySpec

SPEC = ModalitySpec("image", "photo", None, "", {"": FieldSpec("dense", "uint8", (3, 64, 64), "CHW")})


def column(images):
    return Column({"": Dense(images)}, np.ones(len(images), bool), np.zeros((len(images), 16), np.uint8))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 3, 64, 64), dtype=np.uint8)


@pytest.fixture(scope="module")
def encoder():
    return FrozenEncoder(parse_spec("resnet18:weights=none"), SPEC, 5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_rows_alone_among_others_and_elsewhere_are_the_same_bits(encoder, images, precision):
    runtime = Runtime(precision=precision, batch_size=8)
    together = encoder.extract(SPEC, column(images), runtime).values
    assert together.dtype == np.float32
    assert together.shape == (40, *encoder.output(SPEC).dims)
    some = np.array([31, 2, 17, 39, 0])
    np.testing.assert_array_equal(encoder.extract(SPEC, column(images[some]), runtime).values, together[some])
    for row in some[:2]:
        one = encoder.extract(SPEC, column(images[row : row + 1]), runtime).values
        np.testing.assert_array_equal(one[0], together[row])


def test_features_are_the_networks_in_every_precision(encoder, images):
    network = Resnet18(SPEC, weights="none", seed=5).eval()
    with torch.inference_mode():
        expected = network(torch.from_numpy(images[:5])).numpy()
    # back and forth: what one precision has rounded is not used for the next
    for precision, tolerance in (("bfloat16", 0.05), ("float32", 1e-5), ("float16", 0.01), ("float32", 1e-5)):
        found = encoder.extract(SPEC, column(images[:5]), Runtime(precision=precision, batch_size=4)).values
        error = np.abs(found - expected).max() / np.abs(expected).max()
        assert error < tolerance
        assert precision == "float32" or error > 1e-6


def test_feature_maps_and_no_rows(images):
    encoder = FrozenEncoder(parse_spec("resnet18:weights=none,pool=none"), SPEC, 0)
    assert encoder.extract(SPEC, column(images[:3]), Runtime(batch_size=2)).values.shape == (3, 512, 2, 2)
    assert encoder.extract(SPEC, column(images[:0]), Runtime(batch_size=2)).values.shape == (0, 512, 2, 2)


def test_assets_name_the_weights_and_the_options(tmp_path):
    torch.save(Resnet18(SPEC, weights="none").body.state_dict(), tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes((tmp_path / "a.pth").read_bytes())
    torch.save(Resnet18(SPEC, weights="none", seed=1).body.state_dict(), tmp_path / "c.pth")

    def assets(text):
        return FrozenEncoder(parse_spec(text), SPEC, 0).assets()

    first, moved, other = (assets(f"resnet18:weights={tmp_path}/{name}.pth") for name in "abc")
    assert first == moved
    assert first["weights"] != other["weights"]
    mean, maps, wide = (assets(f"{text}") for text in (
        "resnet18:weights=none", "resnet18:weights=none,pool=none", "resnet50:weights=none"
    ))  # fmt: skip
    assert len({mean["network"], maps["network"], wide["network"], first["network"]}) == 4


def test_the_network_is_built_on_first_use(tmp_path):
    encoder = FrozenEncoder(parse_spec(f"resnet18:weights={tmp_path}/none.pth"), SPEC, 0)
    with pytest.raises(MmcliError, match="no such file"):
        encoder.assets()


@pytest.mark.parametrize(("rows", "tried"), [(8, "8 rows; try --batch-size 4"), (1, "1 row; try --device cpu")])
def test_a_batch_that_a_device_does_not_hold_says_what_to_try(encoder, images, monkeypatch, rows, tried):
    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("mmcli.chain.frozen.encode_rows", full)
    with pytest.raises(MmcliError, match=f"its memory does not hold a batch of {tried}"):
        encoder.extract(SPEC, column(images), Runtime(batch_size=rows))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_on_a_gpu_rows_are_the_same_bits_and_near_those_of_the_cpu(encoder, images, precision):
    runtime = Runtime(device="cuda", precision=precision, batch_size=16)
    together = encoder.extract(SPEC, column(images), runtime).values
    some = np.array([31, 2, 17, 39, 0])
    np.testing.assert_array_equal(encoder.extract(SPEC, column(images[some]), runtime).values, together[some])
    expected = encoder.extract(SPEC, column(images[some]), Runtime(batch_size=16)).values
    assert np.abs(together[some] - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.slow
def test_a_compiled_network_gives_the_same_but_for_rounding_and_rows_keep_their_bits(encoder, images):
    compiled = Runtime(batch_size=8, compiled=True)
    found = encoder.extract(SPEC, column(images), compiled).values
    plain = encoder.extract(SPEC, column(images), Runtime(batch_size=8)).values
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-5 * np.abs(plain).max())
    some = np.array([31, 2, 17])
    np.testing.assert_array_equal(encoder.extract(SPEC, column(images[some]), compiled).values, found[some])
