"""Artifacts: there complete or not there, whatever happens to who writes them."""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import shutil
import signal
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from mmcli.errors import MmcliError
from mmcli.store import publish as publish_module
from mmcli.store.artifact import Artifact, TransformRecord, is_artifact
from mmcli.store.columns import LedgerEntry
from mmcli.store.header import FORMAT
from mmcli.store.state import State
from mmcli.store.writer import ArtifactWriter

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
RECORD = TransformRecord("preprocess", 1, {"size": 3}, {})


@pytest.fixture(scope="module")
def golden():
    return Artifact(GOLDEN / "format1")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def another_process(code: str, *arguments: object):
    """Python in a process of its own that has said ``ready``; killed at the end."""
    done = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert done.stdout is not None
        assert done.stdout.readline() == "ready\n"
        yield done
    finally:
        done.kill()
        done.wait()
        done.stdout.close()


HOLD = """
import sys, time
from pathlib import Path
from mmcli.store.writer import ArtifactWriter
with ArtifactWriter(Path(sys.argv[1]), "preprocess") as writer:
    (writer.folder / "tensors").mkdir()
    for part in sys.argv[2:]:
        (writer.folder / "tensors" / part).write_bytes(b"from a killed run")
    print("ready", flush=True)
    time.sleep(60)
"""


class TestPublishing:
    def test_the_artifact_appears_only_when_complete(self, tmp_path, tools):
        output = tmp_path / "deep" / "er" / "samples"
        with ArtifactWriter(output, "preprocess") as writer:
            tools.fill(writer.folder, 10)
            assert not output.exists()
            writer.publish(tools.header_of(10, RECORD), {"seconds": 1})
            assert len(Artifact(output)) == 10
        assert names(output.parent) == {"samples"}
        assert names(output) == {"artifact.json", "run.json", "manifest.jsonl", "ledger.jsonl", "tensors"}

    def test_relative_output_and_another_folder_to_stand_in(self, tmp_path, tools, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with ArtifactWriter(Path("samples"), "preprocess") as writer:
            (tmp_path / "elsewhere").mkdir()
            monkeypatch.chdir(tmp_path / "elsewhere")
            tools.fill(writer.folder, 2)
            writer.publish(tools.header_of(2, RECORD), {})
        assert len(Artifact(tmp_path / "samples")) == 2
        assert not names(tmp_path / "elsewhere")

    def test_an_empty_folder_may_be_the_output(self, tmp_path, tools):
        (tmp_path / "samples").mkdir()
        assert len(tools.write_artifact(tmp_path / "samples", 3)) == 3

    def test_the_block_left_without_publishing_leaves_nothing(self, tmp_path, tools):
        with ArtifactWriter(tmp_path / "samples", "preprocess") as writer:
            tools.fill(writer.folder, 4)
        assert not names(tmp_path)

    def test_the_same_again_has_the_same_bytes(self, tmp_path, tools):
        one = tools.write_artifact(tmp_path / "one", 11)
        two = tools.write_artifact(tmp_path / "two", 11)
        assert content(one.path) == content(two.path)
        assert one.digest == two.digest

    def test_replaced_at_one_stroke(self, tmp_path, tools):
        """Whoever opens it while it is replaced again and again finds an artifact, the old one or the new."""
        output = tmp_path / "samples"
        tools.write_artifact(output, 1)
        found, failed, stop = set(), [], threading.Event()

        def look():
            while not stop.is_set():
                try:
                    found.add(len(Artifact(output)))
                except MmcliError as error:
                    failed.append(error)

        reader = threading.Thread(target=look)
        reader.start()
        for count in range(2, 30):
            tools.write_artifact(output, count)
        stop.set()
        reader.join()
        assert not failed
        assert len(found) > 1
        assert names(tmp_path) == {"samples"}

    def test_others_may_read_what_the_umask_lets_them(self, tmp_path, tools):
        states = {"scale": State({"a": 1}, {"mean": np.zeros(3)})}
        before = os.umask(0o022)
        try:
            artifact = tools.write_artifact(tmp_path / "samples", 2, states=states)
        finally:
            os.umask(before)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in artifact.path.rglob("*") if path.is_file()}
        assert modes == dict.fromkeys(modes, 0o644)
        assert stat.S_IMODE(artifact.path.stat().st_mode) == 0o755


class TestFailures:
    def test_an_expected_failure_leaves_nothing(self, tmp_path, tools):
        def fail():
            with ArtifactWriter(tmp_path / "samples", "preprocess") as writer:
                tools.fill(writer.folder, 9)
                raise MmcliError("no")

        with pytest.raises(MmcliError, match="no"):
            fail()
        assert not names(tmp_path)

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, MemoryError, OSError])
    def test_a_bug_or_an_interrupt_keeps_complete_shards_for_the_next_run(self, tmp_path, tools, error):
        def fail():
            with ArtifactWriter(tmp_path / "samples", "preprocess") as writer:
                tools.fill(writer.folder, 9)
                (writer.folder / "tensors" / "00003.writing").write_bytes(b"half")
                raise error

        with pytest.raises(error):
            fail()
        assert not (tmp_path / "samples").exists()
        with ArtifactWriter(tmp_path / "samples", "preprocess") as writer:
            assert names(writer.folder) == {"resume"}
            assert names(writer.resumed / "tensors") == {f"0000{number}.safetensors" for number in range(3)}
            tools.fill(writer.folder, 2)
            header = writer.publish(tools.header_of(2, RECORD), {})
        assert set(header["files"]) == {"manifest.jsonl", "ledger.jsonl", "tensors/00000.safetensors"}
        assert names(tmp_path) == {"samples"}
        assert "resume" not in names(tmp_path / "samples")

    def test_a_bug_before_the_first_shard_leaves_nothing(self, tmp_path):
        def fail():
            with ArtifactWriter(tmp_path / "samples", "preprocess") as writer:
                (writer.folder / "manifest.jsonl").write_bytes(b"{}\n")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert not names(tmp_path)

    def test_interrupted_twice_what_the_first_run_did_is_still_there(self, tmp_path, tools):
        def fail(count):
            with ArtifactWriter(tmp_path / "samples", "preprocess") as writer:
                if count:
                    tools.fill(writer.folder, count)
                raise KeyboardInterrupt

        for count in (9, 0, 4):
            with pytest.raises(KeyboardInterrupt):
                fail(count)
        with ArtifactWriter(tmp_path / "samples", "preprocess") as writer:
            assert names(writer.resumed / "tensors") == {f"0000{number}.safetensors" for number in range(3)}

    def test_fresh_forgets_it(self, tmp_path, tools):
        def fail():
            with ArtifactWriter(tmp_path / "samples", "preprocess") as writer:
                tools.fill(writer.folder, 9)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        with ArtifactWriter(tmp_path / "samples", "preprocess", fresh=True) as writer:
            assert not names(writer.folder)

    @pytest.mark.parametrize("error", [MmcliError, KeyboardInterrupt])
    def test_an_earlier_artifact_is_untouched(self, tmp_path, tools, error):
        before = content(tools.write_artifact(tmp_path / "samples", 10).path)

        def fail():
            with ArtifactWriter(tmp_path / "samples", "preprocess") as writer:
                tools.fill(writer.folder, 3)
                raise error("no")

        with pytest.raises(error):
            fail()
        assert content(tmp_path / "samples") == before


class TestRefusals:
    def test_a_folder_of_something_else(self, tmp_path):
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "a.txt").write_text("mine")
        with (
            pytest.raises(MmcliError, match=r"photos: exists and is not an artifact.*-o"),
            ArtifactWriter(tmp_path / "photos", "preprocess"),
        ):
            pass
        assert content(tmp_path) == {"photos/a.txt": b"mine"}

    def test_a_file(self, tmp_path):
        (tmp_path / "samples").write_text("mine")
        with pytest.raises(MmcliError, match="is not an artifact"), ArtifactWriter(tmp_path / "samples", "preprocess"):
            pass
        assert (tmp_path / "samples").read_text() == "mine"

    def test_another_stages_artifact(self, tmp_path, tools):
        before = content(tools.write_artifact(tmp_path / "samples", 3).path)
        with pytest.raises(MmcliError, match="another stage"), ArtifactWriter(tmp_path / "samples", "fuse"):
            pass
        assert content(tmp_path / "samples") == before
        assert names(tmp_path) == {"samples"}

    def test_below_a_file(self, tmp_path):
        (tmp_path / "file").write_text("")
        with (
            pytest.raises(MmcliError, match="cannot be written"),
            ArtifactWriter(tmp_path / "file" / "a", "preprocess"),
        ):
            pass

    def test_a_second_writer(self, tmp_path):
        """Of another process; once that is killed, its shards are found again."""
        output = tmp_path / "samples"
        with another_process(HOLD, output, "00000.safetensors", "00001.writing") as holder:
            with pytest.raises(MmcliError, match="another mmcli is writing"), ArtifactWriter(output, "preprocess"):
                pass
            assert "00000.safetensors" in names(tmp_path / ".samples.partial" / "tensors")
            with ArtifactWriter(tmp_path / "other", "preprocess"):
                pass
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            with ArtifactWriter(output, "preprocess") as writer:
                assert names(writer.resumed / "tensors") == {"00000.safetensors"}
        assert not names(tmp_path)

    def test_an_artifact_that_is_not_there(self, tmp_path):
        with pytest.raises(MmcliError, match="gone: no such artifact"):
            Artifact(tmp_path / "gone")

    def test_a_folder_that_is_no_artifact(self, tmp_path):
        with pytest.raises(MmcliError, match="not an mmcli artifact"):
            Artifact(tmp_path)
        assert not is_artifact(tmp_path)

    @pytest.mark.parametrize("number", [FORMAT + 1, FORMAT + 1000])
    def test_a_later_format(self, tmp_path, tools, number):
        artifact = tools.write_artifact(tmp_path / "samples", 3)
        header = json.loads((artifact.path / "artifact.json").read_text())
        (artifact.path / "artifact.json").write_text(json.dumps({"format": number, "other": header}))
        with pytest.raises(MmcliError, match=rf"format {number}.*upgrade"):
            Artifact(artifact.path)

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"format": 1}', '{"format": "x"}', "[" * 200_000])
    def test_a_damaged_header(self, tmp_path, tools, text):
        artifact = tools.write_artifact(tmp_path / "samples", 3)
        (artifact.path / "artifact.json").write_text(text)
        with pytest.raises(MmcliError, match=r"artifact\.json"):
            Artifact(artifact.path)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("columns", None),
            ("columns", {"identity": "a"}),
            ("modalities", []),
            ("modalities", {"photo": {}}),
            ("modalities", {"photo": 3}),
            ("chain", [{}]),
            ("chain", 3),
        ],
    )
    def test_a_header_with_something_else_inside(self, tmp_path, tools, name, value):
        artifact = tools.write_artifact(tmp_path / "samples", 3)
        header = json.loads((artifact.path / "artifact.json").read_text())
        (artifact.path / "artifact.json").write_text(json.dumps({**header, name: value}))
        with pytest.raises(MmcliError, match=r"artifact\.json"):
            Artifact(artifact.path)


class TestKills:
    """A kill at each step of replacing an artifact: the next run finds one whole artifact and tidies up."""

    CODE = """
import os, sys, shutil
from pathlib import Path
from mmcli.store import publish
output, exchanges, renames, removes = Path(sys.argv[1]), *map(int, sys.argv[2:])
rename, left = os.rename, [renames]
def counted(source, target):
    if not left[0]:
        os._exit(9)
    left[0] -= 1
    rename(source, target)
def remove(path, ignore_errors):
    os._exit(9)
os.rename = counted
if not removes:
    shutil.rmtree = remove
if not exchanges:
    publish._exchange = lambda one, other: False
publish.publish(publish.partial_folder(output), output)
"""

    @pytest.mark.parametrize(
        ("exchanges", "renames", "removes", "expected"),
        [(1, 0, 1, 6), (1, 1, 0, 6), (0, 0, 1, 3), (0, 1, 1, 3), (0, 2, 0, 6)],
        ids=["exchanged", "exchanged-and-set-aside", "before-renames", "between-two-renames", "both-renamed"],
    )
    def test_killed_while_replacing(self, tmp_path, tools, exchanges, renames, removes, expected):
        output = tmp_path / "samples"
        tools.write_artifact(tmp_path / "new", 6)
        (tmp_path / "new").rename(publish_module.partial_folder(output))
        shutil.copytree(tools.write_artifact(tmp_path / "old", 3).path, output)
        shutil.rmtree(tmp_path / "old")
        done = subprocess.run(
            [sys.executable, "-c", self.CODE, output, str(exchanges), str(renames), str(removes)], cwd=ROOT, check=False
        )
        assert done.returncode == 9
        with ArtifactWriter(output, "preprocess"):
            assert len(Artifact(output)) == expected
            assert len(list(Artifact(output).rows)) == expected
        assert names(tmp_path) == {"samples"}
        assert len(tools.write_artifact(output, 7)) == 7
        assert names(tmp_path) == {"samples"}

    def test_replacing_where_two_folders_cannot_be_exchanged(self, tmp_path, tools, monkeypatch):
        monkeypatch.setattr(publish_module, "_exchange", lambda one, other: False)
        tools.write_artifact(tmp_path / "samples", 3)
        assert len(tools.write_artifact(tmp_path / "samples", 6)) == 6
        assert names(tmp_path) == {"samples"}

    def test_who_begins_as_another_ends(self, tmp_path, tools):
        """Once published and before the block is left: the second is refused, or keeps what it does."""
        output = tmp_path / "samples"
        second = ArtifactWriter(output, "preprocess")
        with ArtifactWriter(output, "preprocess") as first:
            tools.fill(first.folder, 3)
            first.publish(tools.header_of(3, RECORD), {})
            try:
                second.__enter__()
                refused = ""
            except MmcliError as error:
                refused = str(error)
            else:
                tools.fill(second.folder, 6)
        if refused:
            assert "another mmcli is writing" in refused
            second.__enter__()
            tools.fill(second.folder, 6)
        assert "manifest.jsonl" in names(second.folder)
        second.publish(tools.header_of(6, RECORD), {})
        second.__exit__(None, None, None)
        assert len(list(Artifact(output).rows)) == 6
        assert names(tmp_path) == {"samples"}

    def test_two_that_write_the_same_output_again_and_again(self, tmp_path, tools):
        """Each of them writes it whole or is told that another writes it."""
        output = tmp_path / "samples"
        written, failed = [], []

        def write():
            for count in range(1, 40):
                try:
                    written.append(len(tools.write_artifact(output, count)))
                except MmcliError as error:
                    failed.append(str(error))
                except OSError as error:
                    failed.append(repr(error))

        writers = [threading.Thread(target=write) for _ in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert {text for text in failed if "another mmcli is writing" not in text} == set()
        assert len(written) + len(failed) == 78
        artifact = Artifact(output)
        assert len(list(artifact.rows)) == len(artifact.take("photo", np.arange(len(artifact))))
        assert names(tmp_path) == {"samples"}


class TestDigest:
    def test_every_file_but_two_is_in_it(self, tmp_path, tools):
        states = {"scale": State({"a": 1}, {"mean": np.zeros(3)})}
        artifact = tools.write_artifact(tmp_path / "samples", 9, states=states)
        expected = {
            name: hashlib.sha256(data).hexdigest()
            for name, data in content(artifact.path).items()
            if name not in ("artifact.json", "run.json")
        }
        assert artifact.header["files"] == expected
        assert len(expected) == 7

    def test_is_the_hash_of_the_rest_of_the_header(self, tmp_path, tools):
        artifact = tools.write_artifact(tmp_path / "samples", 9)
        rest = {key: value for key, value in artifact.header.items() if key != "digest"}
        text = json.dumps(rest, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        assert artifact.digest == hashlib.sha256(text.encode()).hexdigest()

    def test_changes_with_rows_tensors_and_parameters_and_not_with_the_run(self, tmp_path, tools):
        digests = [
            tools.write_artifact(tmp_path / "a", 9).digest,
            tools.write_artifact(tmp_path / "b", 10).digest,
            tools.write_artifact(tmp_path / "c", 9, first=1).digest,
            tools.write_artifact(tmp_path / "d", 9, config={"size": 4}).digest,
            tools.write_artifact(tmp_path / "e", 9, shard_rows=8).digest,
            tools.write_artifact(tmp_path / "f", 9, states={"scale": State({"a": 1})}).digest,
        ]
        assert len(set(digests)) == len(digests)
        with ArtifactWriter(tmp_path / "g", "preprocess") as writer:
            tools.fill(writer.folder, 9)
            header = writer.publish(tools.header_of(9, TransformRecord("preprocess", 1, {}, {})), {"seconds": 99})
        assert header["digest"] == digests[0]

    def test_the_header_begins_with_the_format(self, tmp_path, tools):
        text = (tools.write_artifact(tmp_path / "samples", 1).path / "artifact.json").read_text()
        assert text.lstrip("{ \n").startswith(f'"format": {FORMAT}')


class TestReading:
    def test_rows_of_any_shards_in_any_order(self, tmp_path, tools):
        artifact = tools.write_artifact(tmp_path / "samples", 23)
        order = np.array([22, 0, 3, 3, 17, 4, 8, 22, 1])
        for name, column in tools.make_columns(23).items():
            assert tools.same_column(artifact.take(name, order), column.take(order))
            assert tools.same_column(artifact.take(name, np.arange(8, 12)), column.take(np.arange(8, 12)))
            assert len(artifact.take(name, np.array([], np.int64))) == 0

    def test_ledger_and_states(self, tmp_path, tools):
        ledger = [
            LedgerEntry(2, "s2", "photo", "corrupt", "cut off\u2028", "a.png"),
            LedgerEntry(3, "s3", "clip", "missing", "x"),
        ]
        states = {"vocabulary": State({"tokens": ["a", "é"]}), "scale": State({}, {"mean": np.array([1.5, -2])})}
        artifact = tools.write_artifact(tmp_path / "samples", 5, ledger=ledger, states=states)
        assert list(artifact.ledger()) == ledger
        found = artifact.states(artifact.chain[0])
        assert found["vocabulary"].values == {"tokens": ["a", "é"]}
        assert found["scale"].tensors["mean"].tolist() == [1.5, -2]
        assert {part: state.digest() for part, state in found.items()} == artifact.chain[0].states

    def test_a_state_keeps_type_and_shape(self, tmp_path):
        tensors = {
            "number": np.array(4, np.int64),
            "none": np.zeros((0, 3), np.float32),
            "turned": np.arange(6, dtype=np.int16).reshape(2, 3).T,
            "big-endian": np.array([1.5, -2], ">f8"),
            "flags": np.array([True, False]),
        }
        State({"é": [1, None, "\u2028"]}, tensors).write(tmp_path / "state" / "a.b")
        found = State.read(tmp_path / "state" / "a.b")
        assert found.values == {"é": [1, None, "\u2028"]}
        assert {name: array.tolist() for name, array in found.tensors.items()} == {
            name: array.tolist() for name, array in tensors.items()
        }
        assert {name: array.shape for name, array in found.tensors.items()} == {
            name: array.shape for name, array in tensors.items()
        }

    def test_an_artifact_that_was_moved(self, tmp_path, tools):
        tools.write_artifact(tmp_path / "samples", 5).path.rename(tmp_path / "moved")
        assert len(Artifact(tmp_path / "moved").take("photo", np.arange(5))) == 5


class TestGolden:
    """``tests/golden/format1`` was made once, by the code that first wrote format 1."""

    def test_header(self, golden):
        assert golden.header["format"] == 1
        assert golden.stage == "extract-features"
        assert len(golden) == len(golden.rows) == 5
        assert (golden.roles.id, golden.roles.split, golden.roles.target, golden.roles.group) == (
            "id",
            "split",
            "label",
            None,
        )
        assert golden.digest == "9352e45b9e70bdf7c9734421477312296a44a01400b82e1a07e072224477e03a"

    def test_files_are_those_recorded(self, golden):
        for name, digest in golden.header["files"].items():
            assert hashlib.sha256((golden.path / name).read_bytes()).hexdigest() == digest

    def test_modalities(self, golden):
        assert list(golden.modalities) == ["photo", "clip", "review"]
        clip = golden.modalities["clip"]
        assert (clip.kind, clip.source, clip.extractor, clip.scaling) == ("audio", "clip", "mfcc:n_mfcc=2", "column")
        assert clip.facts == {"sample_rate": 16000}
        assert (clip.main.layout, clip.main.dtype, clip.main.dims, clip.main.axes, clip.main.bound) == (
            "ragged",
            "float32",
            (2,),
            "TD",
            8,
        )
        assert golden.modalities["photo"].main.dims == (3, 2, 2)
        assert list(golden.modalities["review"].fields) == ["", "text"]

    def test_tensors(self, golden):
        rows = np.array([4, 0, 3, 2, 1])
        photo = golden.take("photo", rows)
        assert photo.present.tolist() == [True, True, False, True, True]
        assert photo.main.values[1].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9], [10, 11]]]
        assert photo.main.values[:, 2, 1, 1].tolist() == [51, 11, 0, 31, 21]
        assert photo.main.values.dtype == np.uint8
        assert bytes(photo.key[0]) == bytes([1, 5] * 8)
        assert bytes(photo.key[2]) == bytes(16)
        clip = golden.take("clip", rows)
        assert clip.present.tolist() == [True, True, True, False, True]
        assert clip.main.item(1).tolist() == [[0.0, 0.25], [0.5, 0.75], [1.0, 1.25]]
        assert [len(clip.main.item(row)) for row in range(5)] == [4, 3, 2, 0, 1]
        review = golden.take("review", rows)
        assert [review.main.item(row).tolist() for row in range(5)] == [[1], [1, 2], [0, 0], [], [0]]
        assert review.texts("text") == ["good", "good 漢字", "so so", "", "line\u2028separator"]

    def test_rows(self, golden):
        assert golden.rows.take([1])[0] == {
            "id": "b",
            "split": "train",
            "review": "line\u2028separator",
            "label": "no",
            "row": 1,
            "status": {"photo": "ok", "clip": "ok", "review": "ok"},
        }
        third = golden.rows.take([2])[0]
        assert third["status"] == {"photo": "ok", "clip": "corrupt", "review": "missing"}
        assert third["price"] == 1.5
        assert [row["id"] for row in golden.rows] == list("abcde")

    def test_ledger(self, golden):
        assert list(golden.ledger()) == [
            LedgerEntry(2, "c", "clip", "corrupt", "0 bytes", "c.wav"),
            LedgerEntry(2, "c", "review", "missing", "empty cell", None),
            LedgerEntry(3, "d", "photo", "missing", "file not found", "d.png"),
        ]

    def test_chain_and_states(self, golden):
        first, second = golden.chain
        assert (first.stage, first.version, first.config) == ("preprocess", 1, {"image_size": 2, "rate": 0.1})
        assert golden.header["chain"][0]["fingerprint"] == first.fingerprint
        assert golden.header["chain"][1]["fingerprint"] == second.fingerprint
        assert golden.states(first)["review"].values == {"tokens": ["<unknown>", "good", "漢字"]}
        scale = golden.states(second)["scale"]
        assert scale.values == {"columns": 2}
        assert scale.tensors["mean"].tolist() == [0.5, -1.25]
        assert scale.tensors["count"].tolist() == [4]
        assert {"scale": scale.digest()} == second.states

    def test_the_format_does_not_change_without_a_new_number(self, tmp_path, golden):
        """Where this fails, raise ``FORMAT`` (its comment says how), and take this test to the new number."""
        runpy.run_path(str(GOLDEN / "make_format1.py"))["make"](tmp_path / "now")
        now = Artifact(tmp_path / "now")
        assert now.header["format"] == FORMAT == 1
        assert {**now.header, "files": 0, "digest": 0} == {**golden.header, "files": 0, "digest": 0}
        assert content(now.path).keys() == content(golden.path).keys()
        assert (now.path / "manifest.jsonl").read_bytes() == (golden.path / "manifest.jsonl").read_bytes()
        for path in sorted((golden.path / "tensors").iterdir()):
            assert (now.path / "tensors" / path.name).read_bytes() == path.read_bytes()
