"""What holds for every augmentation of every kind."""

import pytest
import torch

from mmcli.augmentation import AUGMENTATIONS, default_names
from mmcli.augmentation.augmenter import Augmenter
from mmcli.augmentation.mixup import Mixup, draw_mixup
from mmcli.encoders.scratch.audio_cnn import AudioCnn
from mmcli.encoders.scratch.audio_lstm import AudioLstm
from mmcli.encoders.scratch.cnn import Cnn
from mmcli.errors import MmcliError
from mmcli.store.columns import FieldSpec, ModalitySpec

EVERY = [(kind, name) for kind, names in AUGMENTATIONS.items() for name in names]
DONE_ELSEWHERE = {"mixup", "spec_augment"}
OPERATIONS = [pair for pair in EVERY if pair[1] not in DONE_ELSEWHERE]
LENGTHS = torch.tensor([30, 12, 1, 0])


def inputs_for(kind, rows=4):
    """The same example in every row, cut to the row's length where there is one."""
    torch.manual_seed(0)
    if kind == "image":
        return (torch.randint(0, 256, (1, 3, 20, 24), dtype=torch.uint8).repeat(rows, 1, 1, 1),)
    if kind == "table":
        flags = torch.tensor([0.0, 1, 0]).repeat(rows, 1)
        return torch.cat([torch.randn(1, 3).repeat(rows, 1) * (1 - flags), flags], dim=1), torch.ones(rows, 2).long()
    inside = torch.arange(30) < LENGTHS.unsqueeze(1)
    if kind == "audio":
        return torch.randint(-9000, 9000, (1, 30)).short().repeat(rows, 1) * inside, LENGTHS
    if kind == "text":
        return torch.randint(2, 50, (1, 30)).repeat(rows, 1) * inside, LENGTHS
    if kind == "video":
        frames = torch.randint(0, 256, (1, 30, 3, 8, 10), dtype=torch.uint8).repeat(rows, 1, 1, 1, 1)
        return frames * inside.view(rows, 30, 1, 1, 1), LENGTHS
    return torch.randn(1, 30, 5).repeat(rows, 1, 1) * inside.unsqueeze(2), LENGTHS


def augment(kind, names, strength, seed=0, inputs=None):
    inputs = inputs_for(kind) if inputs is None else inputs
    torch.manual_seed(seed)
    return Augmenter(kind, names, strength)(inputs)


@pytest.mark.parametrize(("kind", "name"), OPERATIONS)
class TestEvery:
    def test_shapes_types_lengths_and_padding_stay(self, kind, name):
        before = inputs_for(kind)
        after = augment(kind, [name], 1.0)
        assert [(value.shape, value.dtype) for value in after] == [(value.shape, value.dtype) for value in before]
        if kind in ("audio", "text", "video", "tensor"):
            assert torch.equal(after[1], LENGTHS)
            for row, length in enumerate(LENGTHS.tolist()):
                assert not after[0][row, length:].any()
        assert torch.isfinite(after[0].float()).all()

    def test_the_inputs_themselves_are_left_alone(self, kind, name):
        before = inputs_for(kind)
        augment(kind, [name], 1.0, inputs=before)
        assert all(torch.equal(one, other) for one, other in zip(before, inputs_for(kind), strict=True))

    def test_a_strength_of_zero_changes_nothing(self, kind, name):
        after = augment(kind, [name], 0.0)
        assert all(torch.equal(one, other) for one, other in zip(after, inputs_for(kind), strict=True))

    def test_the_same_seed_gives_the_same_and_another_another(self, kind, name):
        first, again, other = (augment(kind, [name], 1.0, seed)[0] for seed in (5, 5, 6))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_each_row_is_changed_in_a_way_of_its_own(self, kind, name):
        example = [value[:1].repeat(16, *(1,) * (value.dim() - 1)) for value in inputs_for(kind)]
        if kind == "tensor":  # the noise follows the deviation over the batch
            example[0] = example[0] * torch.linspace(0.5, 1.5, 16).view(-1, 1, 1)
        after = augment(kind, [name], 1.0, inputs=tuple(example))[0].float()
        different = {tuple(row.flatten().tolist()) for row in after - example[0].float()}
        assert len(different) >= (2 if name == "flip" else 8)

    def test_more_strength_changes_more(self, kind, name):
        example = inputs_for(kind)[0].float()
        weak, strong = (
            sum((augment(kind, [name], s, seed)[0].float() - example).abs().mean() for seed in range(20))
            for s in (0.1, 1.0)
        )
        assert 0 < weak < strong

    def test_a_batch_of_one_row_works(self, kind, name):
        one = tuple(value[:1] for value in inputs_for(kind))
        assert augment(kind, [name], 1.0, inputs=one)[0].shape == one[0].shape


def test_operations_are_done_in_one_order_however_named():
    forth, back = (augment("image", names, 0.7)[0] for names in (["crop", "color"], ["color", "crop"]))
    assert torch.equal(forth, back)


def test_without_names_nothing_changes():
    assert torch.equal(augment("image", [], 1.0)[0], inputs_for("image")[0])


@pytest.mark.parametrize(
    ("kind", "name", "near"), [("image", "flop", "flip"), ("text", "noise", ""), ("smell", "x", "")]
)
def test_unknown_names_are_refused(kind, name, near):
    with pytest.raises(MmcliError, match=f"unknown augmentation for {kind} '{name}'.*{near}"):
        Augmenter(kind, [name])


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strengths_outside_the_range_are_refused(strength):
    with pytest.raises(MmcliError, match="expected 0 to 1"):
        Augmenter("image", ["crop"], strength)


class TestDefaults:
    @pytest.mark.parametrize("kind", AUGMENTATIONS)
    def test_are_known_in_order_and_do_not_mirror_or_mix(self, kind):
        names = default_names(kind)
        assert names
        assert [name for name in AUGMENTATIONS[kind] if name in names] == list(names)
        assert not {"flip", "mixup", "rand_augment"} & set(names)

    def test_leave_out_what_the_encoder_cannot_do(self):
        assert "spec_augment" in default_names("audio")
        assert "spec_augment" not in default_names("audio", masks=False)


def sound_encoder(kind):
    fields = {"": FieldSpec("ragged", "int16", (), "S", 8000)}
    return kind(ModalitySpec("audio", "clip", None, "", fields, facts={"sample_rate": 8000}))


class TestPrepare:
    @pytest.mark.parametrize("kind", [AudioCnn, AudioLstm])
    def test_tells_encoders_of_sound_how_strongly_to_mask(self, kind):
        encoder = sound_encoder(kind)
        Augmenter("audio", ["gain"], 0.3).prepare(encoder)
        assert encoder.spec_augment == 0.0
        Augmenter("audio", ["gain", "spec_augment"], 0.3).prepare(encoder)
        assert encoder.spec_augment == 0.3

    def test_refuses_an_encoder_without_a_spectrogram(self):
        pixels = ModalitySpec("image", "photo", None, "", {"": FieldSpec("dense", "uint8", (3, 32, 32), "CHW")})
        with pytest.raises(MmcliError, match=r"spec_augment.*not Cnn"):
            Augmenter("audio", ["spec_augment"]).prepare(Cnn(pixels))


class TestMixup:
    def test_rows_are_weighted_means_in_their_type(self):
        mixup = Mixup(torch.tensor([1, 0]), 0.75)
        assert mixup.mix(torch.tensor([[0.0, 4], [8, 0]])).tolist() == [[2, 3], [6, 1]]
        pixels = mixup.mix(torch.tensor([[0], [255]], dtype=torch.uint8))
        assert pixels.dtype == torch.uint8
        assert pixels.tolist() == [[64], [191]]

    def test_the_loss_is_that_of_mixed_one_hot_targets(self):
        torch.manual_seed(0)
        outputs, targets = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
        mixup = draw_mixup(5, 1.0)
        one_hot = mixup.mix(torch.nn.functional.one_hot(targets, 3).float())
        expected = -(one_hot * outputs.log_softmax(dim=1)).sum(dim=1).mean()
        found = mixup.loss(lambda wanted: torch.nn.functional.cross_entropy(outputs, wanted), targets)
        torch.testing.assert_close(found, expected)

    def test_shares_are_those_of_a_beta_distribution_folded(self):
        torch.manual_seed(0)
        shares = torch.tensor([draw_mixup(2, 0.5).share for _ in range(4000)])
        expected = torch.distributions.Beta(0.2, 0.2).sample((40000,))
        expected = torch.maximum(expected, 1 - expected)
        assert shares.min() >= 0.5
        assert abs(shares.mean() - expected.mean()) < 0.02
        assert abs((shares > 0.9).float().mean() - (expected > 0.9).float().mean()) < 0.04

    def test_partners_are_a_permutation_and_a_strength_of_zero_mixes_nothing(self):
        assert sorted(draw_mixup(9, 0.5).partner.tolist()) == list(range(9))
        assert draw_mixup(9, 0.0).share == 1.0
        assert Augmenter("image", ["mixup"], 0.5).mixes
        assert not Augmenter("image", ["mixup"], 0.0).mixes
        assert not Augmenter("image", ["crop"], 0.5).mixes
