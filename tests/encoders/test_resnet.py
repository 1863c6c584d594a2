import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file

from mmcli.encoders.torchvision.resnet18 import Resnet18
from mmcli.encoders.torchvision.resnet50 import Resnet50
from mmcli.errors import MmcliError
from mmcli.models.weights import published_weights, read_weights
from mmcli.registry import ENCODERS, parse_spec
from mmcli.store.columns import FieldSpec, ModalitySpec


def image_spec(height, width):
    return ModalitySpec("image", "photo", None, "", {"": FieldSpec("dense", "uint8", (3, height, width), "CHW")})


IMAGES = image_spec(64, 64)


@pytest.fixture(scope="module")
def published():
    """A whole network of torchvision, with statistics that differ from their defaults."""
    torch.manual_seed(1)
    network = torchvision.models.resnet18(weights=None)
    network(torch.randn(4, 3, 64, 64))
    return network.eval()


@pytest.fixture(scope="module")
def files(published, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    torch.save(published.state_dict(), folder / "r.pth")
    save_file(published.state_dict(), folder / "r.safetensors")
    return folder


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 3, 64, 64), dtype=np.uint8)


@pytest.mark.parametrize("name", ["r.pth", "r.safetensors"])
def test_features_are_those_torchvision_gives_its_classifier(published, files, images, name):
    seen = []
    published.fc.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    normalise = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms(crop_size=64, resize_size=64)
    encoder = Resnet18(IMAGES, weights=str(files / name)).eval()
    with torch.inference_mode():
        published(normalise(torch.from_numpy(images)))
        found = encoder(torch.from_numpy(images))
    torch.testing.assert_close(found, seen[0], rtol=1e-4, atol=1e-4)
    assert found.std() > 0.01
    assert encoder.assets() == {"weights": hashlib.sha256((files / name).read_bytes()).hexdigest()}


@pytest.mark.parametrize(("height", "width"), [(64, 96), (100, 33)])
def test_declared_forms_are_what_comes_out(files, height, width):
    values = torch.zeros(2, 3, height, width, dtype=torch.uint8)
    for pool in ("mean", "none"):
        encoder = Resnet18(image_spec(height, width), weights="none", pool=pool).eval()
        assert tuple(encoder(values).shape[1:]) == encoder.output().dims
    assert Resnet18(image_spec(224, 224), weights="none", pool="none").output().dims == (512, 7, 7)


def test_resnet50_has_its_own_width():
    encoder = Resnet50(image_spec(32, 32), weights="none").eval()
    assert tuple(encoder(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape) == (1, 2048)
    assert encoder.output().dims == (2048,)


def test_random_weights_depend_on_the_seed_alone(images):
    values = torch.from_numpy(images)
    before = torch.random.get_rng_state()
    first, again, other = (Resnet18(IMAGES, weights="none", seed=seed).eval()(values) for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert Resnet18(IMAGES, weights="none").assets() == {}


def test_every_parameter_can_be_trained():
    encoder = Resnet18(IMAGES, weights="none")
    encoder(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in encoder.parameters())


def test_published_weights_that_are_not_there_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("MMCLI_ONLINE", raising=False)
    for make, name in ((Resnet18, "resnet18-f37072fd.pth"), (Resnet50, "resnet50-0676ba61.pth")):
        with pytest.raises(MmcliError) as caught:
            make(IMAGES)
        message = str(caught.value)
        assert "\n" not in message
        assert f"https://download.pytorch.org/models/{name}" in message
        assert str(tmp_path / "hub" / "checkpoints") in message


def test_published_weights_are_taken_from_the_cache_if_they_are_the_right_ones(tmp_path, monkeypatch, files):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    content = (files / "r.pth").read_bytes()
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(content)
    assert published_weights(f"https://example.org/models/{name}") == folder / name
    (folder / "resnet18-f37072fd.pth").write_bytes(content)
    with pytest.raises(MmcliError, match="SHA-256 does not start with f37072fd"):
        Resnet18(IMAGES)


def test_a_download_that_fails_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("MMCLI_ONLINE", "1")
    with pytest.raises(MmcliError, match="cannot be downloaded") as caught:
        published_weights("http://127.0.0.1:1/net-00000000.pth")
    assert "\n" not in str(caught.value)


def test_weights_that_do_not_fit_are_named(published, tmp_path):
    def message(change):
        state = dict(published.state_dict())
        change(state)
        torch.save(state, tmp_path / "r.pth")
        with pytest.raises(MmcliError) as caught:
            Resnet18(IMAGES, weights=str(tmp_path / "r.pth"))
        return str(caught.value)

    assert message(lambda state: state.pop("layer1.0.conv1.weight")).endswith("lacks layer1.0.conv1.weight")
    assert message(lambda state: state.update(head=torch.zeros(1))).endswith("has unknown head")
    wrong = message(lambda state: state.update({"conv1.weight": torch.zeros(64, 1, 7, 7)}))
    assert wrong.endswith("has other shapes: conv1.weight (64, 1, 7, 7) for (64, 3, 7, 7)")
    emptied = message(lambda state: state.clear())
    assert "conv1.weight, bn1.weight, bn1.bias and " in emptied


def test_another_classifier_and_old_files_without_counts_are_accepted(published, files, images, tmp_path):
    state = {name: value for name, value in published.state_dict().items() if "num_batches" not in name}
    state["fc.weight"] = torch.zeros(7, 512)
    torch.save(state, tmp_path / "old.pth")
    values = torch.from_numpy(images)
    old, new = (Resnet18(IMAGES, weights=str(path)).eval()(values) for path in (tmp_path / "old.pth", files / "r.pth"))
    assert torch.equal(old, new)


class Trap:
    def __reduce__(self):
        return (Path.touch, (Path("trapped"),))


def test_weights_are_read_without_running_what_is_in_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("trap.pth").write_bytes(pickle.dumps({"conv1.weight": Trap()}))
    torch.save({"conv1.weight": Trap()}, "trap2.pth")
    torch.save([torch.zeros(1)], "list.pth")
    Path("text.pth").write_text("hello")
    Path("text.safetensors").write_text("hello")
    Path("empty.pth").write_bytes(b"")
    for name in ("trap.pth", "trap2.pth", "list.pth", "text.pth", "text.safetensors", "empty.pth", "none.pth"):
        with pytest.raises(MmcliError, match=name) as caught:
            read_weights(Path(name))
        assert "\n" not in str(caught.value)
    assert not Path("trapped").exists()


def test_encoders_are_registered_with_what_lists_need():
    for name in ("resnet18", "resnet50"):
        assert ENCODERS.constant(name, "kinds") == ("image",)
        assert "BSD" in ENCODERS.constant(name, "licence")
        assert "ImageNet" in ENCODERS.summary(name)
    assert ENCODERS.build(parse_spec("resnet18:weights=none,pool=none"), inputs=IMAGES, seed=2).pool == "none"
