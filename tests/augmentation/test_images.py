"""Each change of images and clips does what it says, on crafted inputs."""

import math

import numpy as np
import pytest
import torch

from mmcli.augmentation import _rand_augment, image, video
from mmcli.augmentation._warp import crop_matrices, rotation, warp


def gradient(rows=1, height=40, width=50):
    """Channel 0 grows to the right and channel 1 downwards, evenly; channel 2 is 100."""
    across = torch.arange(width).expand(height, width) * 4
    down = torch.arange(height).unsqueeze(1).expand(height, width) * 4
    return torch.stack([across, down, torch.full_like(across, 100)]).to(torch.uint8).repeat(rows, 1, 1, 1)


class TestCrop:
    @pytest.mark.parametrize("strength", [0.3, 1.0])
    def test_a_crop_is_an_enlarged_window_inside_the_image(self, strength):
        torch.manual_seed(0)
        images = gradient(200)
        (found,) = image.crop((images,), strength)
        found = found.float()
        # Away from the edges the gradient stays even, and its slope is the side of the window.
        sides = (found[:, 0, 20, 40] - found[:, 0, 20, 10]) / (4 * 30)
        heights = (found[:, 1, 30, 20] - found[:, 1, 10, 20]) / (4 * 20)
        for measured in (sides, heights):
            assert measured.min() > 1 - 0.4 * strength - 0.03
            assert measured.max() < 1.03
            assert measured.std() > 0.05 * strength
        assert (found[:, 2] == 100).all()
        middle = found[:, 0, 20, 24:26].mean(dim=1) / 4 - 24.5
        assert (middle.abs() <= 25 * (1 - sides) + 1).all()
        assert middle.std() > 1.0 * strength

    def test_a_known_window_is_that_of_plain_bilinear_enlargement(self):
        pixels = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8)
        window = torch.tensor([[[0.5, 0, -0.5], [0, 0.5, 0.5]]])  # the lower left quarter
        quarter = pixels[:, :, 4:, :4].float()
        expected = torch.nn.functional.interpolate(quarter, (8, 8), mode="bilinear", align_corners=False)
        found = warp(pixels, window).float()
        assert (found - expected)[:, :, 1:, :7].abs().max() <= 0.5  # beyond the window there are other pixels

    def test_windows_stay_inside(self):
        torch.manual_seed(0)
        matrices = crop_matrices(500, 1.0, torch.device("cpu"))
        for axis in (0, 1):
            half, middle = matrices[:, axis, axis], matrices[:, axis, 2]
            assert (middle.abs() + half <= 1 + 1e-6).all()
            assert half.min() >= 0.6


class TestFlip:
    @pytest.mark.parametrize(("strength", "share"), [(0.2, 0.2), (0.5, 0.5), (1.0, 0.5)])
    def test_rows_are_mirrored_exactly_or_left(self, strength, share):
        torch.manual_seed(0)
        images = torch.randint(0, 256, (1, 3, 5, 7), dtype=torch.uint8).repeat(1000, 1, 1, 1)
        (found,) = image.flip((images,), strength)
        mirrored = (found == images.flip(3)).flatten(1).all(dim=1)
        assert (mirrored | (found == images).flatten(1).all(dim=1)).all()
        assert abs(mirrored.float().mean() - share) < 0.05

    def test_all_frames_of_a_clip_together(self):
        torch.manual_seed(0)
        frames = torch.randint(0, 256, (1, 4, 3, 5, 7), dtype=torch.uint8).repeat(50, 1, 1, 1, 1)
        found, _ = video.flip((frames, torch.full((50,), 4)), 1.0)
        each = (found == frames.flip(4)).flatten(2).all(dim=2)
        assert (each.all(dim=1) | ~each.any(dim=1)).all()


class TestRotate:
    def test_a_quarter_turn_is_that_of_numpy(self):
        pixels = torch.randint(0, 256, (1, 3, 6, 6), dtype=torch.uint8)
        found = warp(pixels, rotation(torch.tensor([math.pi / 2]), 1.0))
        turned = {k: np.rot90(pixels[0].numpy(), k, axes=(1, 2)) for k in (1, 3)}
        assert any(np.array_equal(found[0], value) for value in turned.values())

    def test_angles_hold_on_images_that_are_not_square(self):
        dot = torch.zeros(1, 3, 41, 81, dtype=torch.uint8)
        dot[:, :, 20, 55] = 255  # 15 pixels to the right of the middle
        found = warp(dot, rotation(torch.tensor([math.radians(90)]), 41 / 81))[0, 0].float()
        assert found[[5, 35], 40].max() > 200  # 15 pixels above or below it

    @pytest.mark.parametrize("strength", [0.5, 1.0])
    def test_turns_are_within_30_degrees_times_the_strength(self, strength):
        torch.manual_seed(0)
        line = torch.zeros(300, 3, 61, 61, dtype=torch.uint8)
        line[:, :, 29:32, :] = 255
        (found,) = image.rotate((line,), strength)
        column = found[:, 0, :, 50].float()
        height = (column * torch.arange(61)).sum(dim=1) / column.sum(dim=1) - 30
        degrees = torch.rad2deg(torch.atan2(height, torch.tensor(20.0)))
        assert degrees.abs().max() < 30 * strength + 1
        assert degrees.min() < -20 * strength
        assert degrees.max() > 20 * strength


class TestColor:
    def test_grey_stays_grey_and_black_stays_black(self):
        torch.manual_seed(0)
        grey = torch.randint(0, 256, (20, 1, 6, 6), dtype=torch.uint8).expand(-1, 3, -1, -1)
        (found,) = image.color((grey.contiguous(),), 1.0)
        spread = found.float().amax(dim=1) - found.float().amin(dim=1)
        assert spread.max() <= 1
        (black,) = image.color((torch.zeros(20, 3, 6, 6, dtype=torch.uint8),), 1.0)
        assert not black.any()

    def test_an_even_colour_keeps_its_hue_within_the_factors(self):
        torch.manual_seed(0)
        even = torch.full((500, 3, 4, 4), 100, dtype=torch.uint8)
        found = image.color((even,), 0.5)[0][:, 0, 0, 0].float() / 100
        assert found.min() >= 0.59
        assert found.max() <= 1.41
        assert found.min() < 0.65
        assert found.max() > 1.35


class TestRandAugment:
    IMAGES = torch.randint(1, 256, (3, 3, 12, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def changed(self, number, *magnitudes):
        return _rand_augment._TABLE[number](self.IMAGES, torch.tensor(magnitudes))

    def test_there_are_the_14_changes_of_the_paper_and_the_first_changes_nothing(self):
        assert len(_rand_augment._TABLE) == 14
        assert torch.equal(self.changed(0, 1.0, -1.0, 0.5), self.IMAGES)

    def test_magnitude_zero_changes_nothing_where_there_is_one(self):
        for number in range(1, 12):
            assert torch.equal(self.changed(number, 0.0, 0.0, 0.0), self.IMAGES), number

    @pytest.mark.parametrize("number", range(1, 14))
    def test_each_image_gets_its_own_magnitude(self, number):
        together = self.changed(number, 0.2, -0.6, 1.0)
        for row, magnitude in enumerate((0.2, -0.6, 1.0)):
            alone = _rand_augment._TABLE[number](self.IMAGES[row : row + 1], torch.tensor([magnitude]))
            assert torch.equal(together[row], alone[0])

    def test_posterize_and_solarize_by_their_definitions(self):
        values = self.IMAGES.numpy()
        np.testing.assert_array_equal(self.changed(10, 1.0, 0.5, -1.0)[0], values[0] // 16 * 16)
        np.testing.assert_array_equal(self.changed(10, 1.0, 0.5, -1.0)[1], values[1] // 4 * 4)
        np.testing.assert_array_equal(self.changed(11, 1.0, 0.5, 0.2)[0], 255 - values[0])
        np.testing.assert_array_equal(
            self.changed(11, 1.0, 0.5, 0.2)[1], np.where(values[1] > 127, 255 - values[1], values[1])
        )

    def test_a_shift_moves_by_its_share_of_the_side(self):
        images = torch.zeros(1, 3, 20, 20, dtype=torch.uint8)
        images[..., 10] = 200
        found = _rand_augment._TABLE[4](images, torch.tensor([1 / 3]))  # 0.3 of 10 pixels
        assert found[0, 0, 5].argmax() == 7


class TestTemporalCrop:
    def test_a_run_of_the_frames_is_played_at_an_even_speed(self):
        torch.manual_seed(0)
        frames = torch.arange(20, dtype=torch.uint8).view(1, 20, 1, 1, 1).repeat(300, 1, 3, 2, 2)
        lengths = torch.full((300,), 16)
        found, after = video.temporal_crop((frames, lengths), 1.0)
        numbers = found[:, :, 0, 0, 0].int()
        assert torch.equal(after, lengths)
        assert (numbers[:, 16:] == torch.arange(16, 20)).all()
        played = numbers[:, :16]
        steps = played.diff(dim=1)
        assert ((steps == 0) | (steps == 1)).all()
        kept = played[:, -1] - played[:, 0] + 1
        assert kept.min() == 8
        assert kept.max() == 16
        assert played.max() == 15
        assert len(played[:, 0].unique()) > 5

    def test_all_frames_of_a_clip_are_cropped_alike(self):
        torch.manual_seed(0)
        frames = gradient(1, 16, 16).unsqueeze(1).repeat(6, 4, 1, 1, 1)
        found, _ = video.crop((frames, torch.full((6,), 4)), 1.0)
        assert (found == found[:, :1]).all()
        assert len({tuple(clip.flatten().tolist()) for clip in found}) == 6
