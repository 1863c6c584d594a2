"""Networks of torchaudio as encoders: against its own ``extract_features`` on each waveform alone, unpadded."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmcli.errors import MmcliError
from mmcli.registry import ENCODERS, parse_spec
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, assemble

NAMES = ("wav2vec2_base", "hubert_base", "wavlm_base")
SPEC = ModalitySpec("audio", "clip", None, "", {"": FieldSpec("ragged", "int16", (), "S", 160000)},
                    facts={"sample_rate": 16000})  # fmt: skip
RANDOM = np.random.default_rng(0)
WAVES = [RANDOM.integers(-9000, 9000, count, dtype=np.int16) for count in (400, 4000, 7999, 3601)]


def column(waves):
    main = assemble(SPEC.main, waves)
    return Column({"": main}, np.ones(len(waves), bool), np.zeros((len(waves), 16), np.uint8))


@pytest.fixture(scope="module", params=NAMES)
def encoder(request):
    return ENCODERS.build(parse_spec(f"{request.param}:weights=none,layer=2,pool=none"), inputs=SPEC, seed=0).eval()


def test_padding_has_no_influence_and_frames_are_torchaudios(encoder):
    with torch.inference_mode():
        steps, lengths = encoder(*encoder.collate(column(WAVES), 50))
        for row, wave in enumerate(WAVES):
            expected = encoder.body.extract_features(torch.from_numpy(wave)[None] / 32768, num_layers=2)[0][-1][0]
            assert lengths[row] == len(expected) == (len(wave) - 400) // 320 + 1
            torch.testing.assert_close(steps[row, : len(expected)], expected, rtol=1e-3, atol=1e-4)


def test_a_waveform_shorter_than_a_frame_is_padded_with_silence(encoder):
    short = np.array([5000, -5000, 300], np.int16)
    with torch.inference_mode():
        padded, lengths = encoder(*encoder.collate(column([short, short[:0], WAVES[1]]), 25))
        whole = np.concatenate([short, np.zeros(397, np.int16)])
        expected = encoder.body.extract_features(torch.from_numpy(whole)[None] / 32768, num_layers=2)[0][-1][0]
    assert lengths.tolist()[:2] == [1, 1]
    torch.testing.assert_close(padded[0, :1], expected, rtol=1e-3, atol=1e-4)
    assert padded.isfinite().all()


def test_rows_are_padded_to_half_seconds(encoder):
    waves = [np.zeros(count, np.int16) for count in (0, 1, 8000, 8001, 40000)]
    assert encoder.lengths(column(waves)).tolist() == [25, 25, 25, 50, 125]
    assert encoder.collate(column(waves[2:3]), 25)[0].shape == (1, 8000)


def test_files_with_older_names_of_weights_load_and_later_layers_are_left_out(tmp_path):
    encoder = ENCODERS.build(parse_spec("wav2vec2_base:weights=none,layer=2"), inputs=SPEC, seed=0).eval()
    older = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    state = encoder.body.state_dict()
    for new, old in older.items():
        state = {name.replace(new, old): value for name, value in state.items()}
    assert sum(name.endswith(("weight_g", "weight_v")) for name in state) == 2
    torch.save(state, tmp_path / "w.pth")
    spec = parse_spec(f"wav2vec2_base:weights={tmp_path}/w.pth,layer=1,pool=max")
    loaded = ENCODERS.build(spec, inputs=SPEC, seed=9)
    with torch.inference_mode():
        found = loaded.eval()(*loaded.collate(column(WAVES[1:2]), 25))
        wave = torch.from_numpy(WAVES[1])[None] / 32768
        expected = encoder.body.extract_features(wave, num_layers=1)[0][0].amax(dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert list(loaded.assets()) == ["weights"]
    state.pop("feature_extractor.conv_layers.0.conv.weight")
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(MmcliError, match=r"lacks feature_extractor\.conv_layers\.0\.conv\.weight"):
        ENCODERS.build(spec, inputs=SPEC, seed=9)


def test_another_sample_rate_is_one_line():
    spec = ModalitySpec("audio", "clip", None, "", SPEC.fields, facts={"sample_rate": 8000})
    with pytest.raises(MmcliError, match="clip has 8000: preprocess with --sample-rate 16000"):
        ENCODERS.build(parse_spec("wav2vec2_base:weights=none"), inputs=spec, seed=0)


def test_published_weights_that_are_not_there_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("MMCLI_ONLINE", raising=False)
    with pytest.raises(
        MmcliError, match=r"https://download\.pytorch\.org/torchaudio/models/hubert_fairseq_base_ls960\.pth"
    ):
        ENCODERS.build(parse_spec("hubert_base:layer=1"), inputs=SPEC, seed=0)
