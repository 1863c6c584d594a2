import io
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
import skimage.feature
from PIL import Image

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities.files import MediaFolder
from mmcli.modalities.image import Preprocessor, _formats
from mmcli.modalities.image.color_histogram import ColorHistogram
from mmcli.modalities.image.hog import Hog
from mmcli.modalities.notices import listening
from mmcli.reporting import Silent
from mmcli.runtime import Runtime
from mmcli.stages.preprocess import preprocess
from mmcli.store.columns import Column, Dense, FieldSpec, ModalitySpec
from tests.differential.packing import packed_png, tiff
from tests.differential.profiles import profile
from tests.forms.pictures import chunk


def encode(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def decode(image, **options):
    content = image if isinstance(image, bytes) else encode(image)
    return Preprocessor(("photo",), **options).decode(content)[""]


def problem(content, **options):
    with pytest.raises(UnusableError) as caught:
        Preprocessor(("photo",), **options).decode(content)
    return caught.value.status, caught.value.reason


def photo(height=96, width=96, seed=0):
    """A smooth image with detail: what cameras make."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def split_image(mode, left, right):
    image = Image.new(mode, (16, 16), left)
    image.paste(right, (8, 0, 16, 16))
    return image


def colours(pixels):
    """The colour of the left and of the right half, each of which has only one."""
    halves = [pixels[:, :, :8].reshape(3, -1), pixels[:, :, 8:].reshape(3, -1)]
    assert all((half == half[:, :1]).all() for half in halves)
    return [tuple(half[:, 0].tolist()) for half in halves]


WHITE = (255, 255, 255)


def test_transparent_pixels_show_the_background():
    image = split_image("RGBA", (255, 0, 0, 0), (255, 0, 0, 255))
    assert colours(decode(image, size=16, background="#102030")) == [(16, 32, 48), (255, 0, 0)]


def test_resize_crop_pad_and_stretch():
    wide = np.random.default_rng(0).integers(0, 256, (8, 16, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode(Image.fromarray(wide), size=8), wide[:, 4:12].transpose(2, 0, 1))
    padded = decode(Image.fromarray(wide), size=16, resize="pad", background="blue")
    np.testing.assert_array_equal(padded[:, 4:12], wide.transpose(2, 0, 1))
    assert (padded[:, [0, 3, 12, 15]] == np.array([0, 0, 255])[:, None, None]).all()
    halves = split_image("RGB", (0, 0, 0), WHITE).resize((64, 16))
    stretched = decode(halves, size=16, resize="stretch")
    assert (stretched[:, :, :7] < 4).all()
    assert (stretched[:, :, 9:] > 251).all()


def test_shrinking_averages_and_does_not_alias():
    board = np.zeros((256, 256), np.uint8)
    board[::2, ::2] = board[1::2, 1::2] = 255
    for form in ("PNG", "JPEG"):
        small = decode(encode(Image.fromarray(board), form), size=32)
        assert abs(small.astype(int) - 128).max() <= 3


def test_large_jpegs_look_as_if_decoded_whole():
    large = photo(1200, 1600)
    whole = large.resize((64, 64), Image.Resampling.LANCZOS, box=(200, 0, 1400, 1200))
    difference = decode(encode(large, "JPEG", quality=95), size=64) - np.asarray(whole, np.float64).transpose(2, 0, 1)
    assert np.abs(difference).mean() < 4


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"subsampling": 0}, {"restart_marker_blocks": 3}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_with_pixels_missing_before_its_end_marker_is_truncated(mode, options):
    content = encode(photo().convert(mode), "JPEG", **options)
    expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).transpose(2, 0, 1)
    for whole in (content, content[:-2], content + bytes(100), content + content):
        np.testing.assert_array_equal(decode(whole, size=96), expected)
    assert problem(content[: len(content) * 2 // 3] + b"\xff\xd9") == ("corrupt", "truncated JPEG")


def png(width, height, rows, interlaced=0):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced)
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_png_whose_data_end_early_is_truncated():
    rows = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    rows[-1] = 0
    np.testing.assert_array_equal(decode(png(8, 8, rows), size=8)[0], rows)
    assert problem(png(8, 8, rows[:5])) == ("corrupt", "truncated PNG")
    passes = [rows[::8, ::8], rows[::8, 4::8], rows[4::8, ::4], rows[::4, 2::4], rows[2::4, ::2], rows[::2, 1::2]]
    adam7 = [row for part in [*passes, rows[1::2]] for row in part]
    np.testing.assert_array_equal(decode(png(8, 8, adam7, interlaced=1), size=8)[0], rows)
    assert problem(png(8, 8, adam7[:-3], interlaced=1)) == ("corrupt", "truncated PNG")


def test_too_many_pixels_are_skipped_before_they_are_decoded():
    bomb = png(50_000, 50_000, [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert problem(bomb) == ("skipped", "more than 178956970 pixels: --max-pixels")
        assert problem(encode(photo()), max_pixels=96 * 96 - 1)[0] == "skipped"
        assert decode(encode(photo()), max_pixels=96 * 96).shape == (3, 224, 224)


def test_narrow_images_cost_no_more_than_their_pixels():
    line = Image.new("RGB", (20_000, 1), "red")
    assert (decode(line, size=32) == np.array([255, 0, 0])[:, None, None]).all()
    padded = decode(line, size=32, resize="pad")
    assert (padded[1] == 255).sum() == 31 * 32


def test_content_is_the_file_and_nothing_for_an_empty_cell(tmp_path):
    (tmp_path / "a.png").write_bytes(encode(photo()))
    preprocessor = Preprocessor(("photo",), size=32)
    assert preprocessor.content({"photo": "a.png"}, MediaFolder(str(tmp_path))) == encode(photo())
    assert preprocessor.content({"photo": ""}, MediaFolder(str(tmp_path))) is None
    assert preprocessor.facts() == {"size": [32, 32]}
    assert preprocessor.fields() == {"": FieldSpec("dense", "uint8", (3, 32, 32), "CHW")}
    assert Preprocessor(**preprocessor.config() | {"columns": ("photo",)}).config() == preprocessor.config()


def test_impossible_options_are_refused():
    for options in ({"size": 0}, {"background": "whitish"}, {"max_pixels": 0}):
        with pytest.raises(MmcliError, match=r"expected|at least"):
            Preprocessor(("photo",), **options)


def column(images):
    return Column({"": Dense(images)}, np.ones(len(images), bool), np.zeros((len(images), 16), np.uint8))


def image_spec(height, width):
    return ModalitySpec("image", "photo", None, "", {"": FieldSpec("dense", "uint8", (3, height, width), "CHW")})


def features(extractor, images):
    spec = image_spec(*images.shape[2:])
    values = extractor.extract(spec, column(images), Runtime()).values
    assert values.dtype == np.float32
    assert values.shape[1:] == extractor.output(spec).dims
    return values


@pytest.mark.parametrize(
    ("height", "width", "options"),
    [
        (64, 64, {}), (64, 64, {"orientations": 12, "block": 1}), (67, 50, {"cells": 6, "block": 3}),
        (9, 11, {"cells": 4, "block": 4}),
    ],
)  # fmt: skip
def test_hog_is_what_scikit_image_computes(height, width, options):
    images = np.random.default_rng(0).integers(0, 256, (3, 3, height, width), dtype=np.uint8)
    images[2] = 77
    hog = Hog(size=None, **options)
    cell = (height // hog.cells, width // hog.cells)
    top, left = (height % hog.cells) // 2, (width % hog.cells) // 2
    inner = images[:, :, top : top + cell[0] * hog.cells, left : left + cell[1] * hog.cells]
    expected = [
        skimage.feature.hog(
            image.transpose(1, 2, 0), orientations=hog.orientations, pixels_per_cell=cell,
            cells_per_block=(hog.block, hog.block), channel_axis=-1,
        )
        for image in inner
    ]  # fmt: skip
    np.testing.assert_allclose(features(hog, images), expected, atol=1e-5)
    assert np.abs(expected).max() > 0.1


def test_hog_of_an_enlarged_image_is_that_of_the_small_one():
    small = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)
    large = small.repeat(3, axis=2).repeat(3, axis=3)
    np.testing.assert_array_equal(features(Hog(size=64), large), features(Hog(size=None), small))
    np.testing.assert_array_equal(features(Hog(size=100), small), features(Hog(size=None), small))


def halves(top, bottom, size=32):
    image = np.zeros((1, 3, size, size), np.uint8)
    image[0, :, : size // 2] = np.array(top)[:, None, None]
    image[0, :, size // 2 :] = np.array(bottom)[:, None, None]
    return image


def test_color_histogram_counts_colours():
    image = halves((255, 0, 0), (10, 70, 130))
    shares = features(ColorHistogram(bins=4, space="rgb", root=False), image)[0]
    assert {int(place): float(shares[place]) for place in np.flatnonzero(shares)} == {48: 0.5, 6: 0.5}
    alone = features(ColorHistogram(bins=4, space="rgb", root=False, joint=False), image)[0]
    np.testing.assert_allclose(alone.reshape(3, 4) * 6, [[1, 0, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0]], rtol=1e-6)


def test_color_histogram_of_hue_saturation_and_value():
    shares = features(ColorHistogram(bins=4, root=False), halves((0, 0, 255), (0, 0, 0)))[0]
    # blue: hue two thirds, fully saturated, bright; black: none of anything
    assert {int(place): float(shares[place]) for place in np.flatnonzero(shares)} == {2 * 16 + 3 * 4 + 3: 0.5, 0: 0.5}


def test_a_grid_tells_top_from_bottom():
    up, down = halves((255, 0, 0), (0, 0, 255)), halves((0, 0, 255), (255, 0, 0))
    whole, grid = ColorHistogram(space="rgb"), ColorHistogram(space="rgb", grid=2, bins=2, root=False)
    np.testing.assert_array_equal(features(whole, up), features(whole, down))
    assert (features(grid, up)[0].reshape(4, 8).argmax(axis=1) == [4, 4, 1, 1]).all()
    np.testing.assert_allclose(features(grid, down)[0].reshape(4, 8).sum(axis=1), 1)


def test_the_root_makes_every_vector_one_long():
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    shares, roots = (features(ColorHistogram(root=root), image)[0] for root in (False, True))
    np.testing.assert_allclose(roots**2, shares, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(roots), 1, rtol=1e-5)


@pytest.mark.parametrize("extractor", [Hog(), ColorHistogram()])
def test_rows_do_not_depend_on_each_other_or_on_the_workers(extractor):
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 224, 224), dtype=np.uint8)
    spec, all_rows = image_spec(224, 224), column(images)
    together = extractor.extract(spec, all_rows, Runtime(jobs=1)).values
    np.testing.assert_array_equal(extractor.extract(spec, all_rows, Runtime(jobs=3)).values, together)
    some = extractor.extract(spec, all_rows.take(np.array([7, 2])), Runtime(jobs=2)).values
    np.testing.assert_array_equal(some, together[[7, 2]])


def test_features_refuse_what_cannot_be():
    for make in (
        lambda: Hog(cells=2, block=3), lambda: Hog(orientations=0), lambda: Hog(size=4),
        lambda: ColorHistogram(bins=1), lambda: ColorHistogram(grid=0), lambda: ColorHistogram(grid=65),
    ):  # fmt: skip
        with pytest.raises(MmcliError, match=r"expected|less than"):
            make()
    for extractor in (Hog(), ColorHistogram(grid=8)):
        with pytest.raises(MmcliError, match="pixels"):
            extractor.output(image_spec(7, 7))
        assert features(extractor, np.full((1, 3, 8, 8), 9, np.uint8)).shape == (
            1,
            extractor.output(image_spec(8, 8)).dims[0],
        )


def test_heic_without_its_package_says_what_to_install(monkeypatch):
    content = b"\0\0\0\x18ftypheic" + bytes(50)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    _formats.heic_is_read.cache_clear()
    status, reason = problem(content)
    _formats.heic_is_read.cache_clear()
    assert status == "skipped"
    assert "pip install 'mmcli[heic]'" in reason


class Warned(Silent):
    def __init__(self):
        self.lines = []

    def warn(self, text):
        self.lines.append(text)


def test_unusable_profiles_are_reported_with_count_and_examples(tmp_path):
    of_colours = profile("Display P3", "gamma 2.2", "made")
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(encode(photo(seed=number).convert("L"), icc_profile=of_colours))
    (tmp_path / "5.png").write_bytes(encode(photo(seed=5), icc_profile=b"damage" * 40))
    (tmp_path / "6.png").write_bytes(encode(photo(seed=6), icc_profile=of_colours))
    (tmp_path / "7.png").write_bytes(encode(photo(seed=7).convert("L"), icc_profile=profile("sRGB", "table sRGB", "x")))
    rows = "".join(f"r{n},{n}.png,{'val' if n == 6 else 'train'}\n" for n in range(8))
    (tmp_path / "table.csv").write_text("id,photo,split\n" + rows)
    reporter = Warned()
    preprocess(str(tmp_path / "table.csv"), tmp_path / "out", image=["photo"], reporter=reporter)
    told = [line for line in reporter.lines if "profile" in line]
    assert told == [
        "photo: a colour profile is not applied (it is damaged): 1 inputs, such as r5",
        "photo: a colour profile is not applied (it is one of RGB on a grey image): 5 inputs, such as r0, r1, r2",
    ]


def test_high_dynamic_range_is_reported():
    with listening() as heard:
        decode(packed_png(np.full((8, 8, 3), 100), 8, 2, before=chunk(b"cICP", bytes((9, 16, 0, 1)))), size=8)
    assert heard == ["PQ (high dynamic range) is shown as if it were sRGB"]


def test_a_tiff_that_nothing_reads_says_what_it_holds():
    content = tiff(np.zeros((8, 8, 3)), 8, photometric=10, compression=1)
    assert problem(content) == (
        "skipped",
        "a TIFF of 3 samples of 8+8+8 bits, photometric 10, compression 1, cannot be read: convert it to PNG",
    )


@pytest.mark.parametrize(
    ("values", "status"), [((0, 5.5), "skipped"), ((-1, 1), "skipped"), ((0, 65535), "skipped"), ((0, 3), "ok")]
)
def test_an_unusual_range_of_values_is_reported(values, status):
    pixels = np.where(np.arange(64).reshape(8, 8, 1) % 2, *values)
    content = tiff(pixels, 32, kind=3)
    if status == "ok":  # whole numbers: dark, and what the file holds
        assert decode(content, size=8).max() == 3
    else:
        assert problem(content)[0] == status


def test_limits_hold_where_pixels_are_unpacked_here():
    wide = tiff(np.zeros((8, 8, 1)), 12, tags={256: 60_000, 257: 60_000})
    assert problem(wide) == ("skipped", "more than 178956970 pixels: --max-pixels")
    assert problem(tiff(np.zeros((8, 8, 1)), 12), max_pixels=63)[0] == "skipped"
    bomb = tiff(np.zeros((8, 8, 1)), 12, tile=16, compression=8, tags={322: 2**15, 323: 2**15})
    assert problem(bomb)[0] == "skipped"
    assert problem(tiff(np.zeros((8, 8, 1)), 12, tags={279: 5}))[0] == "corrupt"
    assert problem(tiff(np.zeros((8, 8, 1)), 12)[:40])[0] == "corrupt"
