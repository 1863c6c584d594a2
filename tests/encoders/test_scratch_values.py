"""The encoders trained from scratch, against values worked out another way."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from mmcli.encoders.scratch._mel_frames import MelFrames
from mmcli.errors import MmcliError
from mmcli.models.residual import InsideNorm, ResidualStages
from mmcli.models.sequence import AttentionLayers, inside, pool_steps, positions
from mmcli.registry import ENCODERS, parse_spec
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, assemble

RATE = 8000
TEXT = ModalitySpec(
    "text", "review", None, "", {"": FieldSpec("ragged", "int32", (), "T", 40)}, facts={"vocabulary": 12}
)
SOUND = ModalitySpec(
    "audio", "clip", None, "", {"": FieldSpec("ragged", "int16", (), "S", 12000)}, facts={"sample_rate": RATE}
)
CLIP = ModalitySpec("video", "clip", None, "", {"": FieldSpec("ragged", "uint8", (3, 16, 20), "TCHW", 9)})
TABLE = ModalitySpec(
    "table", "table", None, "",
    {"": FieldSpec("dense", "float32", (6,), "D"), "categories": FieldSpec("dense", "int32", (2,), "D")},
    facts={"categories": [4, 5]},
)  # fmt: skip
TEXTS = ["embedding", "lstm", "gru", "text_cnn", "transformer"]
SEQUENCES = [
    *[
        (TEXT, f"{name}:pool={pool}")
        for name in ("embedding", "lstm", "gru", "transformer")
        for pool in ("mean", "max", "none")
    ],
    (TEXT, "lstm:pool=last,layers=2"), (TEXT, "gru:pool=last"), (TEXT, "transformer:pool=cls"),
    (TEXT, "text_cnn:windows=1-4"),
    *[(SOUND, f"audio_cnn:width=8,dim=16,pool={pool}") for pool in ("mean", "max", "none")],
    *[(SOUND, f"audio_lstm:dim=16,pool={pool}") for pool in ("mean", "max", "last", "none")],
    *[(CLIP, f"frame_cnn:width=8,dim=16,pool={pool}") for pool in ("mean", "max", "transformer", "none")],
]  # fmt: skip
SEQUENCE_IDS = [text for _, text in SEQUENCES]


def image_spec(height, width):
    return ModalitySpec("image", "photo", None, "", {"": FieldSpec("dense", "uint8", (3, height, width), "CHW")})


def build(spec, text, seed=0):
    return ENCODERS.build(parse_spec(text), inputs=spec, seed=seed).eval()


def column(spec, *items):
    present, key = np.ones(len(items), bool), np.zeros((len(items), 16), np.uint8)
    return Column({"": assemble(spec.main, items)}, present, key)


def rows_of(spec, lengths, seed=1):
    """Rows of these lengths, none of whose steps is zero."""
    draw = np.random.default_rng(seed)
    form = spec.main
    top = spec.facts.get("vocabulary", 256 if form.dtype == "uint8" else 8000)
    return [draw.integers(1, top, (length, *form.dims)).astype(form.dtype) for length in lengths]


def lengths_for(spec):
    return {"text": [5, 1, 17, 3], "audio": [7777, 40, 4000, 8001], "video": [9, 1, 4, 6]}[spec.kind]


@torch.no_grad()
def features(encoder, cells, length):
    found = encoder(*encoder.collate(column(encoder.inputs, *cells), length))
    if isinstance(found, tuple):
        return [value[:count].numpy() for value, count in zip(*found, strict=True)]
    return list(found.numpy())


@torch.no_grad()
def vectors(encoder, ids):
    return encoder.table.weight.numpy()[ids]


class TestEverySequence:
    @pytest.mark.parametrize(("spec", "text"), SEQUENCES, ids=SEQUENCE_IDS)
    def test_padding_has_no_influence(self, spec, text):
        encoder, cells = build(spec, text), rows_of(spec, lengths_for(spec))
        longest = max(map(len, cells))
        far = features(encoder, cells, longest + (50 if spec.kind == "text" else 7 if spec.kind == "video" else 4321))
        near = features(encoder, cells, longest)
        for alone, cell, one, other in zip(
            (features(encoder, [cell], len(cell))[0] for cell in cells), cells, near, far, strict=True
        ):
            np.testing.assert_allclose(one, other, atol=2e-6, err_msg=f"{len(cell)} steps")
            np.testing.assert_allclose(one, alone, atol=2e-6, err_msg=f"{len(cell)} steps")
        assert np.std(near[0]) > 1e-4

    @pytest.mark.parametrize(("spec", "text"), SEQUENCES, ids=SEQUENCE_IDS)
    def test_rows_of_no_steps_are_finite_and_alter_no_other(self, spec, text):
        encoder, (cell, *_) = build(spec, text), rows_of(spec, lengths_for(spec))
        empty = np.zeros((0, *spec.main.dims), spec.main.dtype)
        first, second = features(encoder, [empty, cell], len(cell))
        assert np.isfinite(first).all()
        np.testing.assert_allclose(second, features(encoder, [cell], len(cell))[0], atol=2e-6)

    @pytest.mark.parametrize(("spec", "text"), SEQUENCES, ids=SEQUENCE_IDS)
    def test_in_bfloat16_nearly_the_same(self, spec, text):
        encoder, cells = build(spec, text), rows_of(spec, lengths_for(spec))
        before = features(encoder, cells, max(map(len, cells)))
        with torch.no_grad():
            found = encoder.to(torch.bfloat16)(*encoder.collate(column(spec, *cells), max(map(len, cells))))
        after = found[0] if isinstance(found, tuple) else found
        for one, other in zip(before, after.float().numpy(), strict=True):
            assert np.abs(one - other[: len(one)]).max() < 0.05 * max(1.0, np.abs(one).max())

    @pytest.mark.parametrize("spec", [TEXT, SOUND, CLIP], ids=lambda spec: spec.kind)
    def test_padding_depends_only_on_the_row_and_stays_within_the_bound(self, spec):
        encoder = build(spec, {"text": "gru", "audio": "audio_cnn", "video": "frame_cnn"}[spec.kind])
        step = {"text": 16, "audio": RATE // 2, "video": 4}[spec.kind]
        bound = spec.main.bound
        cells = rows_of(spec, [1, step, step + 1, bound])
        np.testing.assert_array_equal(encoder.lengths(column(spec, *cells)), [step, step, 2 * step, bound])


class TestPooling:
    def test_mean_and_maximum_are_of_the_own_steps(self):
        values = torch.tensor([[[1.0, -4], [3, -2], [90, 90]], [[7, 7], [7, 7], [7, 7]]])
        lengths = torch.tensor([2, 0])
        assert pool_steps(values, lengths, "mean").tolist() == [[2, -3], [0, 0]]
        assert pool_steps(values, lengths, "max").tolist() == [[3, -2], [0, 0]]

    def test_positions_are_sines_and_cosines_of_falling_rates(self):
        found = positions(6, torch.zeros(1, 1, 4)).numpy()
        for step in range(6):
            slow = step / 10000 ** (2 / 4)
            expected = [math.sin(step), math.cos(step), math.sin(slow), math.cos(slow)]
            np.testing.assert_allclose(found[step], expected, atol=1e-6)

    def test_attention_is_that_of_the_paper(self):
        torch.manual_seed(0)
        layers = AttentionLayers(8, 1, 2, 0.0).eval()
        for parameter in layers.parameters():
            nn.init.normal_(parameter)
        values, own = torch.randn(2, 5, 8), inside(torch.tensor([5, 3]), 5)
        with torch.no_grad():
            found = layers(values, own).numpy()
        weights = {name: value.double().numpy() for name, value in layers.state_dict().items()}
        for row, length in enumerate((5, 3)):
            expected = attention_by_hand(weights, values[row, :length].double().numpy(), heads=2)
            np.testing.assert_allclose(found[row, :length], expected, rtol=2e-4, atol=2e-4)

    def test_a_row_without_steps_attends_to_its_first(self):
        layers, values = AttentionLayers(8, 2, 2, 0.0).eval(), torch.randn(1, 3, 8)
        with torch.no_grad():
            found = layers(values, inside(torch.tensor([0]), 3))
            expected = layers(values, inside(torch.tensor([1]), 3))
        assert torch.equal(found, expected)


def attention_by_hand(weights, steps, heads):
    def norm(rows, name):
        centred = rows - rows.mean(axis=1, keepdims=True)
        deviation = np.sqrt(centred.var(axis=1, keepdims=True) + 1e-5)
        return centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(rows, name):
        return rows @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    query, key, value = np.split(linear(norm(steps, "layers.0.norm"), "layers.0.project"), 3, axis=1)
    width = steps.shape[1] // heads
    joined = []
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        scores = np.exp(query[:, part] @ key[:, part].T / math.sqrt(width))
        joined.append(scores / scores.sum(axis=1, keepdims=True) @ value[:, part])
    steps = steps + linear(np.concatenate(joined, axis=1), "layers.0.join")
    hidden = linear(norm(steps, "layers.0.feed.0"), "layers.0.feed.1")
    hidden = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
    return norm(steps + linear(hidden, "layers.0.feed.4"), "norm")


def torch_network(steps, kind):
    """torch's own network of both directions, with the weights of ours."""
    first = steps.forwards[0]
    whole = kind(first.input_size, first.hidden_size, len(steps.forwards), batch_first=True, bidirectional=True)
    weights = {
        f"{name.removesuffix('_l0')}_l{layer}{ending}": value
        for networks, ending in ((steps.forwards, ""), (steps.backwards, "_reverse"))
        for layer, network in enumerate(networks)
        for name, value in network.state_dict().items()
    }
    whole.load_state_dict(weights)
    return whole.eval()


class TestText:
    @pytest.mark.parametrize("pool", ["mean", "max", "none"])
    def test_embedding_pools_rows_of_its_table(self, pool):
        encoder, cells = build(TEXT, f"embedding:pool={pool}"), rows_of(TEXT, [4, 1, 9])
        rules = {"mean": lambda found: found.mean(axis=0), "max": lambda found: found.max(axis=0), "none": lambda f: f}
        for found, ids in zip(features(encoder, cells, 9), cells, strict=True):
            np.testing.assert_allclose(found, rules[pool](vectors(encoder, ids)), atol=1e-6)

    @pytest.mark.parametrize("name", ["lstm", "gru"])
    def test_recurrent_networks_are_those_of_torch_on_each_unpadded_row(self, name):
        cells = rows_of(TEXT, [4, 1, 9])
        found = {
            pool: features(build(TEXT, f"{name}:pool={pool},layers=2"), cells, 9) for pool in ("mean", "max", "last")
        }
        encoder = build(TEXT, f"{name}:layers=2")
        half = encoder.dim // 2
        whole = torch_network(encoder.steps, nn.LSTM if name == "lstm" else nn.GRU)
        for row, ids in enumerate(cells):
            with torch.no_grad():
                states = whole(torch.from_numpy(vectors(encoder, ids))[None])[0][0].numpy()
            np.testing.assert_allclose(found["mean"][row], states.mean(axis=0), atol=1e-6)
            np.testing.assert_allclose(found["max"][row], states.max(axis=0), atol=1e-6)
            last = np.concatenate([states[-1, :half], states[0, half:]])
            np.testing.assert_allclose(found["last"][row], last, atol=1e-6)

    @pytest.mark.parametrize("name", ["lstm", "gru"])
    @pytest.mark.parametrize("pool", ["mean", "max", "last"])
    def test_a_text_of_no_words_has_zeros(self, name, pool):
        encoder = build(TEXT, f"{name}:pool={pool}")
        (found,) = features(encoder, [np.zeros(0, np.int32)], 16)
        assert not found.any()

    def test_text_cnn_keeps_the_highest_of_each_filter_over_every_window(self):
        encoder, cells = build(TEXT, "text_cnn:windows=2-3,filters=5,token_dim=6"), rows_of(TEXT, [4, 1, 9])
        for found, ids in zip(features(encoder, cells, 11), cells, strict=True):
            expected = []
            for convolution, width in zip(encoder.convolutions, (2, 3), strict=True):
                edge = np.zeros((width - 1, 6))
                padded = np.concatenate([edge, vectors(encoder, ids), edge])
                for kernel, bias in zip(convolution.weight.detach().numpy(), convolution.bias.tolist(), strict=True):
                    windows = [padded[start : start + width] for start in range(len(padded) - width + 1)]
                    expected.append(max(max((window.T * kernel).sum() + bias, 0.0) for window in windows))
            np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_the_order_of_words_counts_for_all_but_the_bag_of_words(self):
        forth, back = np.array([2, 3, 4, 5], np.int32), np.array([5, 4, 3, 2], np.int32)
        for name in TEXTS:
            one, other = features(build(TEXT, name), [forth, back], 4)
            assert np.allclose(one, other, atol=1e-6) == (name == "embedding"), name

    def test_the_vector_of_padding_is_zero_and_never_trained(self):
        encoder = build(TEXT, "embedding").train()
        encoder(torch.tensor([[2, 0, 0]]), torch.tensor([3])).sum().backward()
        assert encoder.table.weight[0].tolist() == [0.0] * 128
        assert not encoder.table.weight.grad[0].any()
        assert encoder.table.weight.grad[2].any()


def mel_by_hand(samples, rate, n_fft, hop, n_mels):
    """Decibels of a mel spectrogram from its definition, (F, T)."""
    padded = np.concatenate([np.zeros(n_fft // 2), samples / 32768, np.zeros(n_fft // 2 + n_fft)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    frames = [padded[start * hop : start * hop + n_fft] * window for start in range(len(samples) // hop + 1)]
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    frequencies = np.fft.rfftfreq(n_fft, 1 / rate)
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, n_mels + 2) / 2595) - 1)
    bands = []
    for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
        rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
        bands.append(np.clip(np.minimum(rising, falling), 0, None))
    decibels = 10 * np.log10(np.maximum(power @ np.array(bands).T, 1e-10))
    return np.maximum(decibels, decibels.max() - 80).T


class TestSound:
    def test_frames_are_mel_spectrograms_by_their_definition(self):
        cells = [cell - 4000 for cell in rows_of(SOUND, [1777, 400, 1000])]
        cells[1] = np.sign(cells[1])  # next to loud ones, so that a limit from the loudest of the batch would show
        frames = MelFrames(SOUND, 40)
        assert (frames.n_fft, frames.hop_length) == (256, 80)
        samples = torch.zeros(3, 2000, dtype=torch.int16)
        for row, cell in enumerate(cells):
            samples[row, : len(cell)] = torch.from_numpy(cell)
        found, counts = frames(samples, torch.tensor([1777, 400, 1000]))
        assert counts.tolist() == [23, 6, 13]
        for row, cell in enumerate(cells):
            expected = (mel_by_hand(cell, RATE, 256, 80, 40) + 10) / 20
            np.testing.assert_allclose(found[row, :, : counts[row]].numpy(), expected, atol=1e-3)
            assert not found[row, :, counts[row] :].any()

    @pytest.mark.parametrize(("rate", "n_mels"), [(1000, 64), (8000, 128), (16000, 64), (48000, 128), (384000, 64)])
    def test_every_band_holds_a_frequency(self, rate, n_mels):
        spec = ModalitySpec("audio", "clip", None, "", SOUND.fields, facts={"sample_rate": rate})
        assert (MelFrames(spec, n_mels).bands.sum(dim=0) > 0).all()

    def test_silence_is_finite(self):
        for name in ("audio_cnn", "audio_lstm"):
            (found,) = features(build(SOUND, name), [np.zeros(4000, np.int16)], 4000)
            assert np.isfinite(found).all()

    def test_normalisation_is_group_normalisation_of_the_inside(self):
        norm = InsideNorm(32)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        values, lengths = torch.randn(3, 32, 4, 9) * 3 + 1, [9, 2, 5]
        with torch.no_grad():
            found = norm(values, inside(torch.tensor(lengths), 9)[:, None, None])
            for row, length in enumerate(lengths):
                own = values[row : row + 1, :, :, :length]
                expected = nn.functional.group_norm(own, 2, norm.weight, norm.bias)[0]
                torch.testing.assert_close(found[row, :, :, :length], expected, atol=1e-5, rtol=1e-5)
                assert not found[row, :, :, length:].any()

    def test_audio_lstm_reads_four_frames_at_a_step(self):
        encoder, (cell,) = build(SOUND, "audio_lstm:dim=8,pool=none"), rows_of(SOUND, [1000])
        (found,) = features(encoder, [cell], 1000)
        frames, _ = encoder.frames(torch.from_numpy(cell)[None], torch.tensor([1000]))
        filled = torch.cat([frames[0].T, torch.zeros(3, 40)])[:16]
        with torch.no_grad():
            expected = torch_network(encoder.steps, nn.LSTM)(filled.reshape(1, 4, 160))[0][0]
        np.testing.assert_allclose(found, expected, atol=1e-6)

    @pytest.mark.parametrize("name", ["audio_cnn", "audio_lstm"])
    def test_spectrograms_are_masked_in_training_alone_and_only_when_asked(self, name):
        encoder, (cell,) = build(SOUND, f"{name}:dropout=0"), rows_of(SOUND, [4000])
        inputs = encoder.collate(column(SOUND, cell), 4000)
        with torch.no_grad():
            plain = encoder(*inputs)
            assert torch.equal(encoder.train()(*inputs), plain)
            encoder.spec_augment = 1.0
            assert torch.equal(encoder.eval()(*inputs), plain)
            masked = [encoder.train()(*inputs) for _ in range(2)]
        assert not torch.allclose(masked[0], plain)
        assert not torch.allclose(masked[0], masked[1])


class TestImagesAndClips:
    @pytest.mark.parametrize(
        ("side", "expected"), [((28, 28), (4, 4)), ((40, 33), (5, 5)), ((64, 72), (4, 5)), ((224, 224), (7, 7))]
    )
    def test_large_images_are_reduced_first(self, side, expected):
        encoder = build(image_spec(*side), "cnn:pool=none,width=8,dim=12")
        pixels = torch.randint(0, 256, (2, 3, *side), dtype=torch.uint8)
        with torch.no_grad():
            maps = encoder(pixels)
            pooled = build(image_spec(*side), "cnn:width=8,dim=12")(pixels)
        assert tuple(maps.shape[1:]) == encoder.output().dims == (12, *expected)
        torch.testing.assert_close(pooled, maps.flatten(2).mean(dim=2))

    def test_every_pixel_counts(self):
        encoder = build(image_spec(28, 28), "cnn")
        pixels = torch.full((1, 3, 28, 28), 100.0)
        images = torch.cat([pixels.clone() for _ in range(4)]).to(torch.uint8)
        for row, (y, x) in enumerate([(0, 0), (27, 27), (13, 14)], start=1):
            images[row, :, y, x] = 255
        with torch.no_grad():
            found = encoder(images)
        assert (torch.cdist(found, found) + torch.eye(4) > 1e-3).all()

    def test_frames_of_a_clip_are_encoded_one_by_one(self):
        encoder, cells = build(CLIP, "frame_cnn:width=8,dim=16"), rows_of(CLIP, [3, 1])
        for found, frames in zip(features(encoder, cells, 4), cells, strict=True):
            with torch.no_grad():
                each = [encoder.body(torch.from_numpy(frame)[None]).mean(dim=(2, 3))[0].numpy() for frame in frames]
            np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-5)

    def test_attention_over_frames_sees_their_order(self):
        encoder, (cell,) = build(CLIP, "frame_cnn:width=8,dim=16,pool=transformer"), rows_of(CLIP, [6])
        one, other = features(encoder, [cell, cell[::-1]], 6)
        assert np.abs(one - other).max() > 1e-4

    def test_a_mask_cuts_a_map_as_slicing_does(self):
        torch.manual_seed(0)
        stages = ResidualStages(1, 16, 2, stem_stride=2).eval()
        values, length = torch.randn(1, 1, 16, 29), 13
        values[..., length:] = 0
        with torch.no_grad():
            whole = stages(values, inside(torch.tensor([length]), 29))
            cut = stages(values[..., :length])
        torch.testing.assert_close(whole[..., : cut.shape[3]], cut, atol=1e-5, rtol=1e-5)
        assert not whole[..., cut.shape[3] :].any()


class TestTables:
    NUMBERS = torch.tensor([[0.5, -1, 0, 0, 0, 1], [2, 0, 3, 0, 1, 0]])
    IDS = torch.tensor([[3, 0], [1, 4]])

    def test_mlp_is_layers_over_numbers_and_category_vectors(self):
        encoder = build(TABLE, "mlp:dim=7,category_dim=3")
        with torch.no_grad():
            found = encoder(self.NUMBERS, self.IDS).numpy()
        weights = {name: value.numpy() for name, value in encoder.state_dict().items()}
        table = weights["categories.vectors.weight"]
        assert table.shape == (9, 3)
        for row in range(2):
            first, second = self.IDS[row].tolist()
            hidden = np.concatenate([self.NUMBERS[row].numpy(), table[first], table[4 + second]])
            for layer in (0, 3):
                hidden = np.maximum(weights[f"hidden.{layer}.weight"] @ hidden + weights[f"hidden.{layer}.bias"], 0)
            np.testing.assert_allclose(found[row], hidden, atol=1e-6)

    def test_ft_transformer_makes_the_tokens_of_the_paper(self):
        encoder = build(TABLE, "ft_transformer:dim=8,heads=2")
        with torch.no_grad():
            found = encoder.tokens(self.NUMBERS, self.IDS).numpy()
            features = encoder(self.NUMBERS, self.IDS)
            first = torch.cat([encoder.cls.expand(2, 1, 8), torch.from_numpy(found)], dim=1)
            expected = encoder.attention(first, torch.ones(2, 6, dtype=torch.bool))[:, 0].relu()
        torch.testing.assert_close(features, expected)
        weights = {name: value.numpy() for name, value in encoder.state_dict().items()}
        for row in range(2):
            for column in range(3):
                value, flag = self.NUMBERS[row, column].item(), self.NUMBERS[row, 3 + column].item()
                token = value * weights["scale"][column] + flag * weights["missing"][column] + weights["bias"][column]
                np.testing.assert_allclose(found[row, column], token, atol=1e-6)
            for place, start in enumerate((0, 4)):
                token = weights["categories.vectors.weight"][start + self.IDS[row, place]] + weights["bias"][3 + place]
                np.testing.assert_allclose(found[row, 3 + place], token, atol=1e-6)

    @pytest.mark.parametrize("name", ["mlp", "ft_transformer"])
    @pytest.mark.parametrize(("numeric", "categories"), [(0, [4, 5]), (3, [])])
    def test_a_table_may_lack_numbers_or_categories(self, name, numeric, categories):
        fields = {
            "": FieldSpec("dense", "float32", (2 * numeric,), "D"),
            "categories": FieldSpec("dense", "int32", (len(categories),), "D"),
        }
        encoder = build(ModalitySpec("table", "t", None, "", fields, facts={"categories": categories}), name)
        numbers, ids = np.zeros((2, 2 * numeric), np.float32), np.ones((2, len(categories)), np.int32)
        cells = {"": assemble(fields[""], list(numbers)), "categories": assemble(fields["categories"], list(ids))}
        inputs = encoder.collate(Column(cells, np.ones(2, bool), np.zeros((2, 16), np.uint8)), None)
        with torch.no_grad():
            found = encoder(*inputs)
        assert tuple(found.shape[1:]) == encoder.output().dims
        assert torch.isfinite(found).all()


SPECS = {"text": TEXT, "audio": SOUND, "video": CLIP, "table": TABLE, "image": image_spec(32, 32)}
REFUSED = [
    ("cnn", "width", 0), ("cnn", "depth", 9), ("cnn", "dim", -1), ("cnn", "dropout", 1.0), ("cnn", "pool", "sum"),
    ("embedding", "dim", 0), ("embedding", "dropout", -0.1), ("embedding", "pool", "last"),
    ("lstm", "dim", 7), ("lstm", "layers", 0), ("lstm", "token_dim", 0), ("lstm", "pool", "cls"), ("gru", "dim", 0),
    ("gru", "dropout", float("nan")), ("text_cnn", "windows", (3, 2)), ("text_cnn", "windows", (0, 2)),
    ("text_cnn", "windows", (1, 999)), ("text_cnn", "filters", 0), ("transformer", "dim", 130),
    ("transformer", "heads", 0), ("transformer", "layers", 0), ("transformer", "pool", "last"),
    ("audio_cnn", "n_mels", 4), ("audio_cnn", "depth", 0), ("audio_cnn", "width", 0), ("audio_cnn", "pool", "last"),
    ("audio_lstm", "n_mels", 9999), ("audio_lstm", "dim", 3), ("audio_lstm", "layers", 0),
    ("frame_cnn", "pool", "last"), ("frame_cnn", "width", 0), ("mlp", "dim", 0), ("mlp", "layers", 0),
    ("mlp", "category_dim", 0), ("mlp", "dropout", 2.0), ("ft_transformer", "heads", 7),
    ("ft_transformer", "layers", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "option", "value"), REFUSED)
def test_options_out_of_range_are_refused_by_name(name, option, value):
    kind = ENCODERS.load(name)
    named = "dim" if option == "heads" and value == 7 else option
    with pytest.raises(MmcliError, match=f"{name}.*{named}=") as error:
        kind(SPECS[kind.kinds[0]], **{option: value})
    assert "expected" in str(error.value)


@pytest.mark.parametrize(
    "name", [*TEXTS, "cnn", "audio_cnn", "audio_lstm", "frame_cnn:pool=transformer", "mlp", "ft_transformer"]
)
def test_weights_depend_on_the_seed_alone(name):
    spec = SPECS[ENCODERS.constant(name.partition(":")[0], "kinds")[0]]
    before = torch.random.get_rng_state()
    first, again, other = (build(spec, name, seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
