"""A single file is complete or does not exist."""

import pytest

from mmcli.errors import MmcliError, UsageError
from mmcli.store.whole_file import whole_file


def write_half(output):
    with whole_file(output) as beside:
        beside.write_text("half")
        raise ZeroDivisionError


def test_a_file_appears_once_it_is_complete(tmp_path):
    output = tmp_path / "new" / "a.csv"
    with whole_file(output) as beside:
        beside.write_text("x")
        assert not output.exists()
    assert output.read_text() == "x"
    with pytest.raises(ZeroDivisionError):
        write_half(output)
    assert output.read_text() == "x"
    assert list(output.parent.iterdir()) == [output]


def test_a_folder_in_its_place_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is a folder, expected the name of a file"), whole_file(tmp_path):
        raise AssertionError


def test_a_folder_that_takes_no_files_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "a.csv"
    with pytest.raises(MmcliError, match=rf"^{output}: cannot be written: "), whole_file(output):
        raise AssertionError
