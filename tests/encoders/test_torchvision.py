"""Networks of torchvision as encoders: what comes out is what torchvision's own forward has inside."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision

from mmcli.encoders.torchvision.vit_b_16 import VitB16
from mmcli.errors import MmcliError
from mmcli.models.frames import clip_inputs, frame_numbers
from mmcli.registry import ENCODERS, parse_spec
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, assemble

IMAGE_NAMES = ["resnet34", "vgg16", "efficientnet_b0", "convnext_tiny", "mobilenet_v3_small", "mobilenet_v3_large"]
VIDEO_NAMES = ["r3d_18", "s3d", "swin3d_t"]
BEFORE_CLASSIFIER = {"resnet34": "fc", "r3d_18": "fc", "convnext_tiny": "classifier.2", "swin3d_t": "head"}
CHANNELS = {
    "resnet18": (64, 128, 256, 512), "resnet34": (64, 128, 256, 512), "resnet50": (256, 512, 1024, 2048),
    "vgg16": (64, 128, 256, 512, 512), "efficientnet_b0": (16, 24, 40, 112, 1280),
    "convnext_tiny": (96, 192, 384, 768), "mobilenet_v3_small": (16, 16, 24, 48, 576),
    "mobilenet_v3_large": (16, 24, 40, 112, 960), "r3d_18": (64, 128, 256, 512), "s3d": (64, 192, 480, 832, 1024),
    "swin3d_t": (96, 192, 384, 768),
}  # fmt: skip


def image_spec(side):
    return ModalitySpec("image", "photo", None, "", {"": FieldSpec("dense", "uint8", (3, side, side), "CHW")})


def video_spec(side):
    return ModalitySpec("video", "film", None, "", {"": FieldSpec("ragged", "uint8", (3, side, side), "TCHW", 9)})


def build(text, spec):
    return ENCODERS.build(parse_spec(text), inputs=spec, seed=0).eval()


def seen_by(layer, run):
    """What a layer of a network gets while ``run`` runs."""
    seen = []
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.inference_mode():
        run()
    handle.remove()
    return seen[0]


def whole_network(name, folder):
    """A network of torchvision with weights of its own, in a file."""
    torch.manual_seed(1)
    network = torchvision.models.get_model(name, weights=None).eval()
    with torch.no_grad():
        for buffer_name, buffer in network.named_buffers():
            if buffer_name.endswith("running_mean"):
                buffer.normal_(std=0.1)
    torch.save(network.state_dict(), folder / "w.pth")
    return network


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "vgg16" else []) for name in IMAGE_NAMES]
)
def test_features_of_images_are_those_torchvision_gives_its_classifier(name, tmp_path):
    network = whole_network(name, tmp_path)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    encoder = build(f"{name}:weights={tmp_path}/w.pth", image_spec(64))
    normalise = torchvision.models.get_model_weights(name).DEFAULT.transforms(crop_size=64, resize_size=64)
    if name in ("vgg16", "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0"):
        with torch.inference_mode():
            expected = network.features(normalise(images)).mean(dim=(2, 3))
    else:
        layer = network.get_submodule(BEFORE_CLASSIFIER[name])
        expected = seen_by(layer, lambda: network(normalise(images)))
    with torch.inference_mode():
        found = encoder(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert found.std() > 1e-4
    assert encoder.output().dims == (CHANNELS[name][-1],)


@pytest.mark.parametrize("name", ["r3d_18", "swin3d_t"])
def test_features_of_videos_are_those_torchvision_gives_its_classifier(name, tmp_path):
    network = whole_network(name, tmp_path)
    clips = torch.randint(0, 256, (2, 4, 3, 32, 32), dtype=torch.uint8)
    recipe = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    scaled = torchvision.transforms.functional.normalize(clips / 255, recipe.mean, recipe.std).transpose(1, 2)
    layer = network.get_submodule(BEFORE_CLASSIFIER[name])
    expected = seen_by(layer, lambda: network(scaled)).flatten(start_dim=1)
    encoder = build(f"{name}:weights={tmp_path}/w.pth,frames=4", video_spec(32))
    with torch.inference_mode():
        torch.testing.assert_close(encoder(clips), expected, rtol=1e-4, atol=1e-4)


def test_s3d_has_torchvisions_normalisation_and_layers(tmp_path):
    network = whole_network("s3d", tmp_path)
    clips = torch.randint(0, 256, (1, 16, 3, 64, 64), dtype=torch.uint8)
    recipe = torchvision.models.get_model_weights("s3d").DEFAULT.transforms()
    scaled = torchvision.transforms.functional.normalize(clips / 255, recipe.mean, recipe.std).transpose(1, 2)
    encoder = build(f"s3d:weights={tmp_path}/w.pth,frames=16,pool=max", video_spec(64))
    with torch.inference_mode():
        expected = network.features(scaled).amax(dim=(2, 3, 4))
        torch.testing.assert_close(encoder(clips), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "mobilenet_v3_small", "mobilenet_v3_large", "s3d"])
def test_each_stage_has_its_form(name):
    video = name in VIDEO_NAMES
    for stage, channels in enumerate(CHANNELS[name], start=1):
        options = f"weights=none,pool=none,layer={stage}" + (",frames=8" if video else "")
        form = build(f"{name}:{options}", video_spec(64) if video else image_spec(64)).output()
        assert form.dims[0] == channels
        assert video or form.dims[1] == form.dims[2] == 64 // 2 ** (stage + 5 - len(CHANNELS[name]))


@pytest.mark.parametrize(("name", "side"), [("convnext_tiny", 8), ("r3d_18", 4), ("swin3d_t", 4)])
def test_the_second_stage_has_its_form(name, side):
    video = name in VIDEO_NAMES
    options = "weights=none,pool=none,layer=2" + (",frames=8" if video else "")
    form = build(f"{name}:{options}", video_spec(64) if video else image_spec(64)).output()
    assert form.dims == ((CHANNELS[name][1],) if video else (CHANNELS[name][1], side, side))
    assert form.bound == (side if video else 0)


def test_an_earlier_stage_of_a_file_needs_no_later_one(tmp_path):
    network = whole_network("resnet34", tmp_path)
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("layer3")}
    torch.save(state, tmp_path / "part.pth")
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    two = build(f"resnet34:weights={tmp_path}/part.pth,layer=2,pool=none", image_spec(64))
    expected = seen_by(network.layer3, lambda: network(two_pixels(images)))
    with torch.inference_mode():
        torch.testing.assert_close(two(images), expected, rtol=1e-4, atol=1e-4)
    assert build("resnet34:weights=none,layer=-3", image_spec(64)).output().dims == (128,)
    with pytest.raises(MmcliError, match=r"lacks layer3\.0\.conv1\.weight"):
        build(f"resnet34:weights={tmp_path}/part.pth", image_spec(64))


def two_pixels(images):
    return torchvision.transforms.functional.normalize(images / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("layer", [0, 5, -5])
def test_a_stage_that_is_not_there_is_refused(layer):
    with pytest.raises(MmcliError, match=f"layer={layer}: expected 1 to 4"):
        build(f"resnet18:weights=none,layer={layer}", image_spec(64))


def test_pixels_too_few_for_a_network_are_one_line():
    with pytest.raises(MmcliError, match="convnext_tiny on images of 16 x 16 pixels does not work") as caught:
        build("convnext_tiny:weights=none", image_spec(16))
    assert "\n" not in str(caught.value)
    with pytest.raises(MmcliError, match="s3d on 2 frames of 32 x 32 pixels does not work"):
        build("s3d:weights=none,frames=2", video_spec(32))


@pytest.fixture(scope="module")
def vit_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(2)
    network = torchvision.models.vit_b_16(weights=None, image_size=64).eval()
    torch.nn.init.normal_(network.class_token)
    torch.save(network.state_dict(), folder / "w.pth")
    return network, folder / "w.pth"


def test_the_vision_transformer_gives_its_classifiers_input(vit_file):
    network, path = vit_file
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    expected = seen_by(network.heads, lambda: network(two_pixels(images)))
    tokens = []
    network.encoder.register_forward_hook(lambda module, inputs, output: tokens.append(output))
    with torch.inference_mode():
        network(two_pixels(images))
        encoder = VitB16(image_spec(64), weights=str(path)).eval()
        found = {}
        for encoder.pool in ("cls", "mean", "none"):
            found[encoder.pool] = encoder(images)
    cls, mean, (steps, lengths) = found.values()
    torch.testing.assert_close(cls, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(steps, tokens[0][:, 1:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mean, tokens[0][:, 1:].mean(1), rtol=1e-4, atol=1e-4)
    assert lengths.tolist() == [16, 16]


def test_the_vision_transformers_positions_are_interpolated_or_refused(vit_file):
    _, path = vit_file
    encoder = VitB16(image_spec(96), weights=str(path), layer=1)
    positions = torch.load(path, weights_only=True)["encoder.pos_embedding"]
    found = encoder.body.encoder.pos_embedding.detach()
    assert found.shape == (1, 37, 768)
    torch.testing.assert_close(found[:, 0], positions[:, 0])
    # Corners stay where they are: 4 x 4 patches become 6 x 6.
    torch.testing.assert_close(found[:, [1, 6, 31, 36]], positions[:, [1, 4, 13, 16]], rtol=1e-4, atol=1e-5)
    with pytest.raises(MmcliError, match="multiple of 16, not 50 x 50: preprocess with --image-size 224"):
        VitB16(image_spec(50), weights="none")


def test_clips_take_frames_at_even_distances_and_repeat_the_last():
    assert frame_numbers(9, 5).tolist() == [0, 2, 4, 6, 8]
    assert frame_numbers(4, 4).tolist() == [0, 1, 2, 3]
    assert frame_numbers(2, 4).tolist() == [0, 1, 1, 1]
    videos = [np.full((count, 3, 2, 2), 7, np.uint8) * np.arange(1, count + 1, dtype=np.uint8)[:, None, None, None]
              for count in (0, 1, 3)]  # fmt: skip
    column = Column({"": assemble(video_spec(2).main, videos)}, np.ones(3, bool), np.zeros((3, 16), np.uint8))
    assert clip_inputs(column, 4)[:, :, 0, 0, 0].tolist() == [[0] * 4, [7] * 4, [7, 14, 21, 21]]
