import numpy as np
import pytest

from mmcli.chain.extractors import make_extractor
from mmcli.chain.frozen import FrozenEncoder
from mmcli.errors import MmcliError
from mmcli.modalities.image.hog import Hog
from mmcli.registry import parse_spec
from mmcli.runtime import Runtime
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from mmcli.store.columns import Column, Dense, FieldSpec, ModalitySpec, assemble
from tests.conftest import write_csv
from tests.forms.clips import film
from tests.forms.tones import RATE, tone

LENGTHS = (1, 4, 3, 2)
SPEC = ModalitySpec(
    "video", "clip", None, "00", {"": FieldSpec("ragged", "uint8", (3, 32, 32), "TCHW", 4)},
    facts={"size": [32, 32], "frames": 4},
)  # fmt: skip


def videos() -> tuple[list[np.ndarray], Column]:
    generator = np.random.default_rng(0)
    items = [generator.integers(0, 256, (length, 3, 32, 32), dtype=np.uint8) for length in LENGTHS]
    key = np.ones((len(items), 16), np.uint8)
    return items, Column({"": assemble(SPEC.main, items)}, np.ones(len(items), bool), key)


def build(text: str, seed: int = 0):
    return make_extractor(SPEC, parse_spec(text), seed)


def on_images(extractor, spec, frames: np.ndarray) -> np.ndarray:
    column = Column({"": Dense(frames)}, np.ones(len(frames), bool), np.ones((len(frames), 16), np.uint8))
    return extractor.extract(spec, column, Runtime(batch_size=4)).values


@pytest.mark.parametrize("pool", ["mean", "max", "meanmax", "none"])
def test_features_are_those_of_each_frame_pooled_over_time(pool):
    items, column = videos()
    extractor = build(f"frames:hog:cells=4,time={pool}")
    features = extractor.extract(SPEC, column, Runtime())
    images = ModalitySpec("image", "clip", None, "00", {"": FieldSpec("dense", "uint8", (3, 32, 32), "CHW")})
    hog = Hog(cells=4)
    width = hog.output(images).dims[0]
    for row, item in enumerate(items):
        each = on_images(hog, images, item)
        expected = {
            "mean": each.mean(axis=0), "max": each.max(axis=0), "none": each,
            "meanmax": np.concatenate([each.mean(axis=0), each.max(axis=0)]),
        }[pool]  # fmt: skip
        np.testing.assert_array_equal(features.item(row), expected)
    form = extractor.output(SPEC)
    assert form.dims == ((2 * width,) if pool == "meanmax" else (width,))
    assert (form.layout, form.axes, form.bound) == (("ragged", "TD", 4) if pool == "none" else ("dense", "D", 0))


def test_a_network_runs_on_the_frames_and_a_video_does_not_feel_its_neighbours():
    items, column = videos()
    extractor = build("frames:resnet18:weights=none,time=none")
    runtime = Runtime(batch_size=4)
    whole = extractor.extract(SPEC, column, runtime)
    images = ModalitySpec("image", "clip", None, "00", {"": FieldSpec("dense", "uint8", (3, 32, 32), "CHW")})
    network = FrozenEncoder(parse_spec("resnet18:weights=none"), images, 0)
    for row, item in enumerate(items):
        np.testing.assert_array_equal(whole.item(row), on_images(network, images, item))
        alone = extractor.extract(SPEC, column.take(np.array([row])), runtime)
        np.testing.assert_array_equal(whole.item(row), alone.item(0))


def test_maps_of_frames_keep_their_form():
    _, column = videos()
    extractor = build("frames:resnet18:weights=none,pool=none")
    form = extractor.output(SPEC)
    assert (form.dims, form.axes) == ((512, 1, 1), "CHW")
    assert extractor.extract(SPEC, column, Runtime(batch_size=4)).values.shape == (4, 512, 1, 1)
    sequence = build("frames:resnet18:weights=none,pool=none,time=none").output(SPEC)
    assert (sequence.dims, sequence.axes) == ((512, 1, 1), "TCHW")


def test_the_identity_holds_the_inner_name_and_options():
    made = [build(text).assets() for text in ("frames:hog", "frames:hog:cells=4", "frames:color_histogram")]
    made += [build(text).assets() for text in ("frames:resnet18:weights=none", "frames:resnet50:weights=none")]
    assert len({assets["frame"] for assets in made}) == len(made)
    seeds = [build("frames:resnet18:weights=none,pool=none").assets(), made[3]]
    assert seeds[0]["network"] != seeds[1]["network"]
    assert build("frames:hog:time=max").assets() == made[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("frames", "needs an image extractor"),
        ("frames:time=max", "needs an image extractor"),
        ("frames:hug", "did you mean 'hog'"),
        ("frames:hog:cell=4", "did you mean 'cells'"),
        ("frames:hog:time=median", "expected one of mean, max, meanmax, none"),
        ("frames:hog:cells=64,size=none", "64 cells need"),
        ("frames:motion", "extractor .motion. is for video, not image"),
        ("frames:frames:hog", "extractor .frames. is for video, not image"),
    ],
)
def test_invalid_specs_are_refused(text, told):
    with pytest.raises(MmcliError, match=told):
        build(text).output(SPEC)


def test_an_extractor_that_learns_is_refused():
    from mmcli.modalities.video.frames import Frames

    hog = Hog()
    hog.fitted = True
    with pytest.raises(MmcliError, match="is fitted on images"):
        Frames("hog", hog)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A table of clips: what moves and what sounds tell the label; some have no sound, one is no video."""
    folder = tmp_path_factory.mktemp("clips")
    generator = np.random.default_rng(0)
    rows = []
    for number in range(30):
        moves = number % 2
        frame = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        frames = [np.roll(frame, 8 * step * moves, axis=1) for step in range(6)]
        sound = (tone(400 + 1200 * moves, 0.6), RATE, "aac")
        content = film(frames, codec="mpeg4", sound=None if number % 5 == 4 else sound)
        (folder / f"{number}.mp4").write_bytes(b"nothing" if number == 3 else content)
        split = ["train", "train", "val", "test"][number // 2 % 4]
        rows.append({"id": f"c{number}", "split": split, "clip": f"{number}.mp4", "label": ["still", "moving"][moves]})
    write_csv(folder / "clips.csv", rows)
    options = {"video": ["clip"], "audio": ["sound=clip"], "target": "label", "image_size": 32, "frames": 4}
    preprocess(str(folder / "clips.csv"), folder / "samples", jobs=1, **options)
    preprocess(str(folder / "clips.csv"), folder / "again", jobs=3, **options)
    for jobs, name in ((1, "features"), (3, "features2")):
        extract_features(str(folder / "samples"), folder / name, jobs=jobs)
    fuse([str(folder / "features")], folder / "fused", method="concat")
    train(str(folder / "fused"), folder / "model", epochs=15)
    return folder


def test_a_video_gives_its_pictures_and_its_sound(clips):
    samples = Artifact(clips / "samples")
    assert samples.modalities["clip"].main == FieldSpec("ragged", "uint8", (3, 32, 32), "TCHW", 4)
    assert samples.modalities["sound"].kind == "audio"
    told = {(entry.id, entry.modality): (entry.status, entry.reason, entry.path) for entry in samples.ledger()}
    silent = {(f"c{number}", "sound"): ("missing", "no sound track", None) for number in range(4, 30, 5)}
    damaged = {
        ("c3", "clip"): ("corrupt", "not a video", "3.mp4"),
        ("c3", "sound"): ("corrupt", "not audio", "3.mp4"),
    }
    assert told == silent | damaged


def test_a_silent_video_is_no_bad_input(clips, tmp_path):
    rows = [
        {"id": str(number), "clip": str(clips / f"{number}.mp4"), "split": split}
        for number, split in ((4, "train"), (9, "train"), (14, "val"))
    ]
    write_csv(tmp_path / "silent.csv", rows)
    preprocess(str(tmp_path / "silent.csv"), tmp_path / "out", video=["clip"], audio=["sound=clip"], max_errors="0",
               on_error="fail", image_size=16)  # fmt: skip


def test_the_bytes_do_not_depend_on_the_workers(clips):
    for one, other in (("samples", "again"), ("features", "features2")):
        assert (clips / one / "artifact.json").read_bytes() == (clips / other / "artifact.json").read_bytes()


def test_defaults_for_videos_need_no_weights(clips):
    features = Artifact(clips / "features")
    assert {name: spec.extractor for name, spec in features.modalities.items()} == {
        "clip_frames_hog": "frames:hog", "clip_motion": "motion", "sound": "mfcc",
    }  # fmt: skip
    assert features.modalities["clip_frames_hog"].source == "clip"


def test_the_chain_learns_from_videos_and_predicts_them(clips, tmp_path):
    metrics = evaluate(clips / "model", str(clips / "fused"), tmp_path / "report", split="test").metrics
    assert metrics["metrics"]["accuracy"] == 1
    assert set(metrics["subsets"]) == {"clip", "sound"}
    rows = [{"id": number, "clip": str(clips / f"{number}.mp4")} for number in (6, 7, 14)]
    write_csv(tmp_path / "new.csv", rows)
    found = [row for group in predict(clips / "model", str(tmp_path / "new.csv")) for row in group]
    assert [row["label"] for row in found] == ["still", "moving", "still"]
    assert [row["modalities"] for row in found] == [["clip", "sound"], ["clip", "sound"], ["clip"]]
    assert found[2]["reasons"] == {"sound": "no sound track"}


def test_kinds_of_columns_are_inferred(clips, tmp_path):
    preprocess(str(clips / "clips.csv"), tmp_path / "out", image_size=16)
    modalities = Artifact(tmp_path / "out").modalities
    assert {name: spec.kind for name, spec in modalities.items()} == {"clip": "video"}
    assert modalities["clip"].facts == {"size": [16, 16], "frames": 8}


def test_two_extractors_on_frames_have_names_of_their_own(clips, tmp_path):
    extract_features(
        str(clips / "samples"), tmp_path / "out",
        use=["clip=frames:hog", "clip=frames:color_histogram:bins=4,time=meanmax", "sound=none"],
    )  # fmt: skip
    assert set(Artifact(tmp_path / "out").modalities) == {"clip_frames_hog", "clip_frames_color_histogram"}
