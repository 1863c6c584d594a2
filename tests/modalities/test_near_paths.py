"""Files whose paths are written otherwise than they lie: said, or taken where asked for."""

from __future__ import annotations

import unicodedata

import pytest

from mmcli.errors import UnusableError
from mmcli.modalities.files import MediaFolder
from mmcli.stages.preprocess import preprocess
from mmcli.store.artifact import Artifact

NFD = unicodedata.normalize("NFD", "café.png")
CASES = [
    ("Café/a b.png", unicodedata.normalize("NFD", "Café") + "/a b.png", "Unicode form"),
    (NFD, unicodedata.normalize("NFC", NFD), "Unicode form"),
    ("sub/a.png", "sub\\a.png", "backslashes"),
    ("sub/a.png", ".\\sub\\a.png", "backslashes"),
    ("sub/a b.png", "sub/a%20b.png", "%20 and such"),
    ("sub/a.png", " sub/a.png ", "the space around it"),
    ("sub/A.JPG", "Sub/a.jpg", "letter case"),
    ("sub/a b.PNG", " Sub\\a%20b.png", "the space around it and backslashes and %20 and such and letter case"),
]


@pytest.mark.parametrize(("there", "asked", "difference"), CASES)
def test_the_difference_is_reported_and_fixed_with_fix_paths(tmp_path, there, asked, difference):
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_bytes(b"here")
    with pytest.raises(UnusableError) as error:
        MediaFolder(str(tmp_path)).read(asked)
    assert error.value.status == "missing"
    assert error.value.reason == (
        f"file not found; one is there whose path differs in {difference} (--fix-paths takes it)"
    )
    assert MediaFolder(str(tmp_path), fix_paths=True).read(asked) == b"here"
    assert MediaFolder(str(tmp_path), fix_paths=True, confine=True).read(asked) == b"here"


@pytest.mark.parametrize("asked", ["none.png", "sub/none.png", "sub", "..", "a.PNG/x", "\0", "x" * 300, "AB.png"])
def test_missing_and_ambiguous_paths_are_not_found(tmp_path, asked):
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "aB.png", "Ab.png"):
        (tmp_path / name).write_bytes(b"x")
    for fix in (False, True):
        with pytest.raises(UnusableError) as error:
            MediaFolder(str(tmp_path), fix_paths=fix).read(asked)
        assert "differs" not in error.value.reason


def test_a_fixed_path_does_not_leave_the_root(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    for asked in ("..\\secret.png", "%2e%2e/secret.png", "../SECRET.png"):
        with pytest.raises(UnusableError, match="outside the media root"):
            MediaFolder(str(tmp_path / "root"), fix_paths=True, confine=True).read(asked)


def test_it_is_recorded_where_it_was_asked_for(tmp_path):
    from PIL import Image

    (tmp_path / "Pictures").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "Pictures" / "0.PNG")
    (tmp_path / "t.csv").write_text("id,image,split\n0,pictures\\0.png,train\n1,pictures/1.png,train\n")
    options = {"image": ["image"], "image_size": 8}
    preprocess(str(tmp_path / "t.csv"), tmp_path / "plain", **options)
    plain = Artifact(tmp_path / "plain")
    assert plain.header["counts"]["image"]["missing"] == 2
    assert "fix_paths" not in plain.chain[0].config
    preprocess(str(tmp_path / "t.csv"), tmp_path / "fixed", fix_paths=True, **options)
    fixed = Artifact(tmp_path / "fixed")
    assert fixed.header["counts"]["image"] == {"ok": 1, "missing": 1, "corrupt": 0, "skipped": 0}
    assert fixed.chain[0].config["fix_paths"] is True
    preprocess(str(tmp_path / "t.csv"), tmp_path / "again", fix_paths=True, **options)
    assert (tmp_path / "again" / "artifact.json").read_bytes() == (tmp_path / "fixed" / "artifact.json").read_bytes()
