"""Each change of sounds, words and numbers does what it says, on crafted inputs."""

import pytest
import torch

from mmcli.augmentation import audio, feature, text
from mmcli.encoders.scratch._mel_frames import mask_spectrogram


class TestGain:
    def test_decibels_are_even_within_the_range_and_one_for_each_sound(self):
        torch.manual_seed(0)
        samples = torch.tensor([1000, -2000, 4000], dtype=torch.int16).repeat(500, 1)
        found, _ = audio.gain((samples, torch.full((500,), 3)), 0.5)
        factors = found.float() / samples.float()
        decibels = 20 * factors[:, 2].log10()
        assert (factors - factors[:, 2:]).abs().max() < 2e-3
        assert decibels.min() > -6.01
        assert decibels.max() < 6.01
        assert abs(decibels.mean()) < 0.5
        assert abs(decibels.std() - 12 / 12**0.5) < 0.3  # of an even distribution, 12 decibels wide

    def test_loud_samples_are_clipped(self):
        torch.manual_seed(0)
        samples = torch.tensor([30000, -30000], dtype=torch.int16).repeat(50, 1)
        found, _ = audio.gain((samples, torch.full((50,), 2)), 1.0)
        assert found[:, 0].max() == 32767
        assert found[:, 1].min() == -32768
        assert ((found[:, 0] > 0) & (found[:, 1] < 0)).all()


class TestNoise:
    @pytest.mark.parametrize(("strength", "least"), [(0.25, 35.0), (1.0, 20.0)])
    def test_the_ratio_of_sound_to_noise_is_in_range(self, strength, least):
        torch.manual_seed(0)
        samples = (torch.sin(torch.arange(4000) * 0.3) * 3000).round().short().repeat(100, 1)
        lengths = torch.full((100,), 3000)
        samples[:, 3000:] = 0
        found, _ = audio.noise((samples, lengths), strength)
        added = found.float() - samples.float()
        assert not added[:, 3000:].any()
        own = samples[:, :3000].float().square().mean(dim=1)
        ratios = 10 * (own / added[:, :3000].square().mean(dim=1)).log10()
        assert ratios.min() > least - 0.4
        assert ratios.max() < 40.4
        assert ratios.min() < least + 0.15 * (40 - least)
        assert ratios.max() > 40 - 0.15 * (40 - least)

    def test_silence_gets_none(self):
        silent = torch.zeros(2, 50, dtype=torch.int16)
        found, _ = audio.noise((silent, torch.tensor([50, 0])), 1.0)
        assert not found.any()


class TestTimeShift:
    def test_sounds_are_moved_and_zeros_fill_what_they_leave(self):
        torch.manual_seed(0)
        lengths = torch.tensor([100, 60] * 100)
        samples = torch.arange(1, 121).repeat(200, 1).short() * (torch.arange(120) < lengths.unsqueeze(1))
        found, _ = audio.time_shift((samples, lengths), 0.5)
        shifts = []
        for row, length in enumerate(lengths.tolist()):
            own = samples[row, :length]
            place = int(found[row].nonzero()[0])
            shift = place - int(found[row, place]) + 1
            shifts.append(shift / length)
            expected = torch.zeros(120, dtype=torch.int16)
            kept = own[max(0, -shift) : length - max(0, shift)]
            expected[max(0, shift) : max(0, shift) + len(kept)] = kept
            assert torch.equal(found[row], expected)
        assert -0.11 < min(shifts) < -0.08
        assert 0.08 < max(shifts) < 0.11


class TestSpecAugment:
    def masked(self, strength, rows=200, bands=40, steps=60, length=50):
        torch.manual_seed(0)
        frames = torch.randn(rows, bands, steps)
        frames[..., length:] = 0
        found = mask_spectrogram(frames, torch.full((rows,), length), strength)
        return frames, found, frames[..., :length].mean(dim=(1, 2))

    def test_whole_bands_and_spans_of_time_become_the_mean(self):
        frames, found, means = self.masked(1.0)
        changed = found != frames
        assert not changed[..., 50:].any()
        own = changed[..., :50]
        bands, steps = own.all(dim=2), own.all(dim=1)
        assert torch.equal(own, bands.unsqueeze(2) | steps.unsqueeze(1))
        expected = means.view(-1, 1, 1).expand_as(found)
        torch.testing.assert_close(found[changed], expected[changed])
        assert bands.any(dim=1).float().mean() > 0.9
        assert steps.any(dim=1).float().mean() > 0.9
        assert len({tuple(row.tolist()) for row in bands}) > 100

    @pytest.mark.parametrize("strength", [0.25, 1.0])
    def test_each_of_two_masks_covers_at_most_its_share(self, strength):
        frames, found, _ = self.masked(strength)
        own = (found != frames)[..., :50]
        for covered, size in ((own.all(dim=2), 40), (own.all(dim=1), 50)):
            assert covered.sum(dim=1).max() <= 2 * 0.2 * strength * size + 1
            assert covered.float().mean() > 0.1 * strength

    def test_a_strength_of_zero_and_rows_without_frames_stay(self):
        frames = torch.randn(2, 8, 5)
        assert torch.equal(mask_spectrogram(frames, torch.tensor([5, 5]), 0.0), frames)
        frames[1] = 0
        assert torch.isfinite(mask_spectrogram(frames, torch.tensor([5, 0]), 1.0)).all()


class TestWords:
    @pytest.mark.parametrize(("strength", "share"), [(0.5, 0.15), (1.0, 0.3)])
    def test_dropped_words_become_unknown_at_the_rate(self, strength, share):
        torch.manual_seed(0)
        ids, lengths = torch.randint(2, 99, (200, 60)), torch.full((200,), 50)
        ids[:, 50:] = 0
        found, _ = text.word_dropout((ids, lengths), strength)
        changed = found != ids
        assert (found[changed] == 1).all()
        assert not changed[:, 50:].any()
        assert abs(changed[:, :50].float().mean() - share) < 0.01


class TestNumbers:
    def test_noise_follows_the_deviation_of_each_feature(self):
        torch.manual_seed(0)
        values = torch.randn(20000, 3) * torch.tensor([1.0, 100.0, 0.0]) + 7
        (found,) = feature.noise((values,), 0.5)
        added = found - values
        torch.testing.assert_close(added.std(dim=0), torch.tensor([0.2, 20.0, 0.0]), rtol=0.03, atol=1e-6)
        assert added.mean(dim=0).abs().max() < 0.5

    def test_noise_of_sequences_ends_with_them_and_keeps_half_precision(self):
        values, lengths = torch.randn(8, 6, 4).half(), torch.tensor([6, 3, 0, 1, 6, 6, 2, 5])
        found, _ = feature.noise((values, lengths), 1.0)
        own = torch.arange(6) < lengths.unsqueeze(1)
        assert found.dtype == torch.float16
        assert torch.equal(found[~own], values[~own])
        assert (found[own] != values[own]).float().mean() > 0.9

    def test_padding_does_not_affect_the_deviation(self):
        torch.manual_seed(0)
        values, lengths = torch.zeros(4000, 5, 1), torch.tensor([1, 0] * 2000)
        values[::2, 0] = torch.randn(2000, 1) + 50
        found, _ = feature.noise((values, lengths), 1.0)
        assert abs((found - values)[::2, 0].std() - 0.4) < 0.02

    def test_nothing_but_empty_rows_stays(self):
        values = torch.zeros(2, 3, 4)
        assert torch.equal(feature.noise((values, torch.tensor([0, 0])), 1.0)[0], values)

    def test_flags_missing_numbers_and_categories_of_a_table_stay(self):
        torch.manual_seed(0)
        flags = (torch.rand(5000, 2) < 0.3).float()
        numbers, ids = torch.cat([torch.randn(5000, 2) * (1 - flags), flags], dim=1), torch.randint(0, 9, (5000, 3))
        found, categories = feature.table_noise((numbers, ids), 1.0)
        assert torch.equal(categories, ids)
        assert torch.equal(found[:, 2:], flags)
        added = (found - numbers)[:, :2]
        assert not added[flags.bool()].any()
        assert abs(added[~flags.bool()].std() - 0.4) < 0.02

    def test_a_table_of_categories_alone_stays(self):
        numbers, ids = torch.zeros(4, 0), torch.ones(4, 2).long()
        assert feature.table_noise((numbers, ids), 1.0)[0].shape == (4, 0)
