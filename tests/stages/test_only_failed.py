import pytest

from mmcli.errors import MmcliError
from mmcli.modalities.files import MediaFolder
from mmcli.stages.preprocess import preprocess
from mmcli.store.artifact import Artifact


@pytest.fixture
def reads(monkeypatch):
    """The paths that were read, in any order."""
    seen = []
    plain = MediaFolder.read

    def read(self, path):
        seen.append(path)
        return plain(self, path)

    monkeypatch.setattr(MediaFolder, "read", read)
    return seen


def run(table, output, **options):
    return preprocess(str(table), output, text=["words"], image=["picture"], target="label", image_size=32, **options)


def content(folder):
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {path: found for path, found in files.items() if path.name != "run.json"}


def test_only_failed_inputs_are_read_and_the_bytes_equal_a_complete_run(table, tmp_path, reads):
    run(table, tmp_path / "out")
    good = (table.parent / "images" / "5.png").read_bytes()
    (table.parent / "images" / "4.png").write_bytes(good)
    reads.clear()
    summary = run(table, tmp_path / "out", only_failed=True)
    assert sorted(reads) == ["images/4.png", "images/none.png"]
    assert summary.counts["picture"]["corrupt"] == 0
    run(table, tmp_path / "whole")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_rows_that_changed_or_moved_are_read(table, tmp_path, reads):
    run(table, tmp_path / "out")
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*lines[:7], lines[7].replace("images/6.png", "images/7.png"), *lines[8:-2], lines[-1]]))
    reads.clear()
    run(table, tmp_path / "out", only_failed=True)
    last = len(lines) - 2
    assert sorted(reads) == sorted(["images/4.png", "images/none.png", "images/7.png", f"images/{last}.png"])


def test_other_options_than_the_earlier_ones_read_everything(table, tmp_path, reads):
    run(table, tmp_path / "out")
    reads.clear()
    preprocess(str(table), tmp_path / "out", image=["picture"], target="label", image_size=16, only_failed=True)
    assert len(reads) == len(Artifact(tmp_path / "out"))


@pytest.mark.parametrize(
    ("options", "message"), [({}, "no earlier artifact"), ({"fresh": True}, "which --fresh discards")]
)
def test_it_needs_an_earlier_artifact(table, tmp_path, options, message):
    with pytest.raises(MmcliError, match=message):
        run(table, tmp_path / "out", only_failed=True, **options)
    assert not (tmp_path / "out").exists()
