from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities.audio import Preprocessor as SoundPreprocessor
from mmcli.modalities.containers import pictures_of
from mmcli.modalities.video import Preprocessor
from mmcli.modalities.video._decode import _at, _frames
from mmcli.modalities.video._packets import read_packets
from mmcli.modalities.video._streams import opened, opened_for_decoding
from mmcli.modalities.video._timeline import timeline_of
from mmcli.modalities.video.motion import Motion
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, assemble
from tests.forms.clips import PALETTE, closest, film, plain
from tests.forms.tones import RATE, level, tone


def decode(content, **options):
    return Preprocessor(("clip",), **{"size": 16, **options}).decode(content)[""]


def seen(content, **options):
    return [closest(frame) for frame in decode(content, **options)]


def problem(content, **options):
    with pytest.raises(UnusableError) as caught:
        decode(content, **options)
    return caught.value.status, caught.value.reason


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 10, 16])
def test_frames_are_those_shown_at_the_centres_of_equal_parts(count):
    centres = [(2 * part + 1) / (2 * count) for part in range(count)]
    expected = [int(centre * 10 + 1e-9) for centre in centres]  # ten frames of a tenth of a second
    for options in ({"b_frames": 2, "gop": 4}, {"gop": 1, "b_frames": 0}, {"container": "avi", "b_frames": 2}):
        assert seen(film(**options), frames=count) == expected


def test_frames_a_second_begin_with_the_first_and_end_with_the_clip():
    assert seen(film(), fps=2.5) == [0, 4, 8]
    assert seen(film(plain(3)), fps=2.5) == [0]
    assert seen(film(), fps=10, clip_seconds=0.3) == [0, 1, 2]
    assert seen(film(plain(3)), fps=0.1) == [0]
    ntsc = film([frame for frame in plain(10) for _ in range(3)], rate=Fraction(30000, 1001))
    for rate in (29.97, 29.97003):
        assert seen(ntsc, fps=rate, frames=30) == [number // 3 for number in range(30)]
    rounded = film([frame for frame in plain(10) for _ in range(3)], "webm", "libvpx", rate=30)
    assert seen(rounded, fps=30, frames=30) == [number // 3 for number in range(30)]


def test_a_clip_longer_than_asked_for_is_not_read_to_its_end():
    content = film(plain(100), gop=10, b_frames=0)
    assert seen(content, clip_seconds=0.5, frames=5) == [0, 1, 2, 3, 4]
    assert seen(content, clip_seconds=0.5, frames=5, max_decode_frames=40) == [0, 1, 2, 3, 4]
    assert problem(content, clip_seconds=0.5, frames=5, max_decode_frames=36)[0] == "skipped"


def test_only_what_leads_to_the_chosen_frames_is_decoded():
    content = film(plain(200), gop=10, b_frames=0)
    with opened(content) as (container, stream):
        timeline = timeline_of(read_packets(container, stream), "h264", reorders=True)
    assert timeline.seconds == 20
    wanted = timeline.shown_at([Fraction(3), Fraction(15, 2), Fraction(15)])
    assert wanted.tolist() == [30, 75, 150]
    needed = timeline.needed_for(wanted)
    assert needed.sum() < 120
    with opened_for_decoding(content, 10**6) as (container, stream, decoder):
        found = {time: frame for time, frame in _frames(container, stream, decoder, timeline, needed)}
    assert len(found) == needed.sum()
    for number in wanted:
        picture = found[int(timeline.pts[number])].to_ndarray(format="rgb24").transpose(2, 0, 1)
        assert closest(picture) == number % 10


def test_a_frame_that_leans_on_an_earlier_group_is_right():
    # open groups: frames stored after a key frame are shown before it and need the group before
    content = film(plain(30), options={"x264-params": "open-gop=1:bframes=2:b-adapt=0:keyint=6:scenecut=0"})
    with opened(content) as (container, stream):
        timeline = timeline_of(read_packets(container, stream), "h264", reorders=True)
    starts = np.searchsorted(timeline.segment, timeline.segment)
    leading = np.flatnonzero(timeline.pts < timeline.pts[starts])
    assert len(leading) > 3
    assert timeline.needed_for(leading[-1:])[leading[-1] - 6]
    assert seen(content, frames=30) == [number % 10 for number in range(30)]
    for number in range(15):
        assert seen(content, frames=1, clip_seconds=2 * (number + 0.5) / 10) == [number % 10]


def test_a_packet_that_shows_nothing_leaves_the_picture_before_it():
    frames = [(0, "a"), (2, "b"), (3, "c")]
    assert list(_at(np.array([0, 1, 2, 2, 9, 9]), iter(frames))) == ["a", "a", "b", "b", "c", "c"]
    assert list(_at(np.array([0, 3]), iter([(1, "first"), (3, "c")]))) == ["first", "c"]
    with pytest.raises(UnusableError, match="0 frames"):
        list(_at(np.array([0]), iter([])))


def test_the_picture_on_a_record_is_no_video():
    from types import SimpleNamespace

    from av.stream import Disposition

    cover, film_stream = (SimpleNamespace(disposition=kind) for kind in (Disposition.attached_pic, Disposition.default))
    container = SimpleNamespace(streams=SimpleNamespace(video=[cover, film_stream]))
    assert pictures_of(container) == [film_stream]


def test_images_and_frames_are_fitted_alike():
    import io

    from PIL import Image

    from mmcli.modalities.image import Preprocessor as ImagePreprocessor

    rows, columns = np.mgrid[0:40, 0:90]
    picture = np.stack([rows * 6, columns * 2, 255 - rows * 3], axis=2).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    content = film([picture], "avi", "rawvideo", "bgr24")
    for resize in ("crop", "pad", "stretch"):
        image = ImagePreprocessor(("a",), size=24, resize=resize, background="red").decode(file.getvalue())[""]
        frame = decode(content, size=24, resize=resize, background="red", frames=1)[0]
        np.testing.assert_array_equal(frame, image)


def test_the_sound_track_is_heard_from_the_same_file():
    content = film(sound=(tone(1000), RATE, "aac"))
    sound = SoundPreprocessor(("clip",)).decode(content)[""]
    assert abs(level(sound, 1000) - 0.5) < 0.03
    assert seen(content, frames=4) == [1, 3, 6, 8]
    with pytest.raises(UnusableError) as caught:
        SoundPreprocessor(("clip",)).decode(film())
    assert (caught.value.status, caught.value.reason) == ("missing", "no sound track")


def test_options_out_of_range_are_refused():
    for options in (
        {"size": 0}, {"frames": 0}, {"fps": 0.0}, {"fps": float("nan")}, {"clip_seconds": -1.0},
        {"clip_seconds": float("inf")}, {"max_pixels": 0}, {"max_decode_frames": 0}, {"background": "whitish"},
    ):  # fmt: skip
        with pytest.raises(MmcliError):
            Preprocessor(("clip",), **options)


def test_form_and_facts_say_what_is_stored():
    part = Preprocessor(("clip",), size=16)
    assert part.fields()[""] == FieldSpec("ragged", "uint8", (3, 16, 16), "TCHW", 8)
    assert part.facts() == {"size": [16, 16], "frames": 8}
    assert len(decode(film())) == 8
    rated = Preprocessor(("clip",), size=16, fps=12.5)
    assert rated.fields()[""].bound == 64
    assert rated.facts() == {"size": [16, 16], "fps": 12.5}
    config = rated.config()
    assert Preprocessor(**{**config, "columns": tuple(config["columns"])}).config() == config


def features(videos, **options):
    form = FieldSpec("ragged", "uint8", videos[0].shape[1:], "TCHW", 8)
    spec = ModalitySpec("video", "clip", None, "00", {"": form})
    column = Column({"": assemble(form, videos)}, np.ones(len(videos), bool), np.ones((len(videos), 16), np.uint8))
    extractor = Motion(**options)
    made = extractor.extract(spec, column, Runtime())
    return [made.item(row) for row in range(len(videos))], extractor.output(spec)


def test_motion_is_the_statistics_of_differences():
    frames = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
    grey = (frames * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(axis=1) / 255
    steps = []
    for before, after in pairwise(grey):
        change = abs(after - before)
        parts = [change, change[:4, :4], change[:4, 4:], change[4:, :4], change[4:, 4:]]
        steps.append([part.mean() for part in parts] + [part.std() for part in parts])
    steps = np.array(steps)
    (sequence,), form = features([frames], grid=2, pool="none")
    np.testing.assert_allclose(sequence, steps, atol=1e-5)
    assert (form.dims, form.axes, form.bound) == ((10,), "TD", 7)
    (pooled,), form = features([frames], grid=2)
    np.testing.assert_allclose(pooled, [*steps.mean(axis=0), *steps.std(axis=0), *steps.max(axis=0)], atol=1e-5)
    assert form.dims == (30,)


def test_motion_tells_where_something_moves():
    frames = np.zeros((3, 3, 64, 64), np.uint8)
    frames[1, :, 16:32, 48:] = 255  # field (1, 3) of 4 × 4, and back to black
    (sequence,), _ = features([frames], pool="none")
    expected = np.zeros(16)
    expected[1 * 4 + 3] = 1
    for step in sequence:
        np.testing.assert_allclose(step[1:17], expected, atol=1e-6)
        assert step[0] == pytest.approx(1 / 16)


def test_a_still_has_one_step_without_change():
    frames = np.full((1, 3, 8, 8), 77, np.uint8)
    (sequence, pooled), _ = features([frames, frames], pool="none")
    assert sequence.shape == (1, 34)
    assert not sequence.any()
    assert not pooled.any()


def test_motion_refuses_what_it_cannot_do():
    for options in ({"grid": 0}, {"grid": 9, "size": 8}):
        with pytest.raises(MmcliError, match="motion"):
            Motion(**options)
    with pytest.raises(MmcliError, match="finer than frames"):
        features([np.zeros((2, 3, 3, 3), np.uint8)], size=None)


def test_the_palette_is_distinguishable():
    assert [closest(np.broadcast_to(colour[:, None, None], (3, 4, 4))) for colour in PALETTE] == list(range(10))
