import os
from pathlib import Path

import pytest

from mmcli.errors import UnusableError
from mmcli.modalities.files import MediaFolder, read_cell


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.bin").write_bytes(b"some bytes")
    (tmp_path / "outside.bin").write_bytes(b"outside")
    return folder


def problem(media, path):
    with pytest.raises(UnusableError) as caught:
        media.read(str(path))
    return caught.value.status, caught.value.reason


def test_paths_are_relative_to_the_root_or_absolute_or_urls(root):
    media = MediaFolder(str(root))
    (root / "with space.bin").write_bytes(b"space")
    assert media.read("a.bin") == b"some bytes"
    assert media.read("../outside.bin") == b"outside"
    assert media.read(str(root / "a.bin")) == b"some bytes"
    assert media.read(f"file://{root}/with%20space.bin") == b"space"


def test_fsspec_urls_and_roots():
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/media/b.bin", b"remote")
    memory.pipe("/media/none.bin", b"")
    assert MediaFolder("/nowhere").read("memory://media/b.bin") == b"remote"
    assert MediaFolder("memory://media").read("b.bin") == b"remote"
    assert problem(MediaFolder("memory://media"), "c.bin") == ("missing", "file not found")
    assert problem(MediaFolder("memory://media"), "none.bin") == ("corrupt", "0 bytes")
    assert problem(MediaFolder("memory://media", max_bytes=5), "b.bin")[0] == "skipped"
    assert problem(MediaFolder("/nowhere"), "unheard-of://b.bin")[0] == "corrupt"


def test_special_files_are_corrupt_and_do_not_block(root):
    os.mkfifo(root / "fifo")
    (root / "folder").mkdir()
    open_before = len(os.listdir("/proc/self/fd"))
    for path in ("fifo", "folder", "/dev/null", "/dev/zero"):
        assert problem(MediaFolder(str(root)), path) == ("corrupt", "not a regular file")
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_no_permission_is_corrupt(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        assert problem(MediaFolder(str(tmp_path)), "secret") == ("corrupt", "no permission to read")
    finally:
        os.seteuid(user)


def test_confined_media_stay_inside_the_root(root, tmp_path):
    (root / "inside").symlink_to(root / "a.bin")
    (root / "link").symlink_to(tmp_path / "outside.bin")
    (root / "folder").symlink_to(tmp_path)
    media = MediaFolder(str(root), confine=True)
    outside = ("skipped", "outside the media root")
    assert media.read("a.bin") == media.read("inside") == media.read(str(root / "a.bin")) == b"some bytes"
    for path in ("../outside.bin", "link", "folder/outside.bin", tmp_path / "outside.bin", "/etc/hostname"):
        assert problem(media, path) == outside
    for url in (f"file://{tmp_path}/outside.bin", "memory://media/b.bin", f"file://{root}/%2e%2e/outside.bin"):
        assert problem(media, url) == outside
    sibling = Path(f"{root}2")
    sibling.mkdir()
    (sibling / "c.bin").write_bytes(b"c")
    assert problem(media, sibling / "c.bin") == outside


def test_confined_urls_stay_below_the_root():
    import fsspec

    fsspec.filesystem("memory").pipe("/media/b.bin", b"remote")
    fsspec.filesystem("memory").pipe("/other/b.bin", b"other")
    media = MediaFolder("memory://media", confine=True)
    assert media.read("b.bin") == b"remote"
    chained = "memory://media/b.bin::file:///etc/hostname"
    for path in (
        chained,
        "memory://other/b.bin",
        "../other/b.bin",
        "memory://media/%2e%2e/other/b.bin",
        "/etc/hostname",
    ):
        assert problem(media, path) == ("skipped", "outside the media root")


def test_empty_cells_have_no_content(root):
    media = MediaFolder(str(root))
    for cell in (None, "", "  ", float("nan")):
        assert read_cell({"photo": cell}, "photo", media) is None
    assert read_cell({}, "photo", media) is None
    assert read_cell({"photo": "a.bin"}, "photo", media) == b"some bytes"
