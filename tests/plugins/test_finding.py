"""How names of plugins are found: nothing is imported for a list, and what cannot be meant is one line."""

from __future__ import annotations

import os
import sys
import textwrap

import pytest

from mmcli.errors import MmcliError
from mmcli.plugins import Origin, _of_packages, check_origin, identity_of, use_plugins
from mmcli.plugins.files import FILES
from mmcli.registry import ENCODERS, EXTRACTORS, FUSIONS, TASKS
from mmcli.store.artifact import TransformRecord

MINE = 'class Mine:\n    """What mine does."""\n    kind = "static"\n    version = 3\n'


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """No plugin, before and after."""
    before, modules = dict(FILES), set(sys.modules)
    FILES.clear()
    _of_packages.cache_clear()
    yield
    FILES.clear()
    FILES.update(before)
    monkeypatch.undo()
    _of_packages.cache_clear()
    for name in set(sys.modules) - modules:
        if name.startswith(("mmcli_plugin_", "found_")):
            del sys.modules[name]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package: its files by path, and its entry points."""
    monkeypatch.syspath_prepend(tmp_path)

    def made(package, files, points, version="1.0"):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        about = tmp_path / f"{package}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (about / "entry_points.txt").write_text(points)

    return made


class TestPackages:
    @pytest.mark.parametrize(
        ("files", "value"),
        [
            ({"found_one.py": MINE}, "found_one:Mine"),
            ({"found_two/__init__.py": MINE}, "found_two:Mine"),
            ({"found_three/__init__.py": "raise RuntimeError", "found_three/mine.py": MINE}, "found_three.mine:Mine"),
            (
                {"found_four/__init__.py": "from .parts import Mine as Own\n1 / 0", "found_four/parts.py": MINE},
                "found_four:Own",
            ),
            (
                {"found_five/__init__.py": "from found_five.parts import Mine\n1 / 0", "found_five/parts.py": MINE},
                "found_five : Mine",
            ),
        ],
    )
    def test_constants_are_read_without_importing_the_class(self, install, files, value):
        install("found", files, f"[mmcli.fusion]\nmine = {value}\n")
        assert "mine" in FUSIONS.names()
        assert FUSIONS.summary("mine") == "What mine does."
        assert (FUSIONS.constant("mine", "kind"), FUSIONS.constant("mine", "version")) == ("static", 3)
        assert not [name for name in sys.modules if name.startswith("found_")]

    def test_classes_without_readable_source_are_imported(self, install):
        content = f"def make():\n{textwrap.indent(MINE, '    ')}    return Mine\nMine = make()\n"
        install("found", {"found_six.py": content}, "[mmcli.fusion]\nmine = found_six:Mine\n")
        assert FUSIONS.summary("mine") == "What mine does."
        assert FUSIONS.constant("mine", "version") == 3

    def test_a_class_has_its_name_wherever_it_is_imported_from(self, install):
        files = {"found_seven/__init__.py": "from .parts import Mine", "found_seven/parts.py": MINE}
        install("found", files, "[mmcli.tasks]\nmine = found_seven:Mine\n")
        assert TASKS.name_of(TASKS.load("mine")) == "mine"
        assert TASKS.name_of(TASKS.load("regression")) == "regression"

    def test_records_hold_the_version_and_fingerprints_do_not(self, install):
        install("found", {"found_eight.py": MINE}, "[mmcli.fusion]\nmine = found_eight:Mine\n", "2.3")
        assert FUSIONS.plugin_of("mine") == {"plugin": {"package": "found", "version": "2.3"}}
        assert FUSIONS.code_of("mine") == [{"package": "found"}]
        FUSIONS.check_origin("mine", {"package": "found", "version": "1.0"})
        with pytest.raises(MmcliError, match="'mine' was part of mmcli when this was made, and now comes from found"):
            FUSIONS.check_origin("mine", None)
        with pytest.raises(MmcliError, match=r"came from the package other 1.5 when .* pip install other==1.5"):
            FUSIONS.check_origin("mine", {"package": "other", "version": "1.5"})

    @pytest.mark.parametrize(
        ("files", "value", "said"),
        [
            ({}, "found_none:Mine", "found: found_none:Mine: no such module"),
            ({"found_nine.py": ""}, "found_nine:Mine", "found_nine:Mine: AttributeError"),
            ({"found_ten.py": "Mine = 3"}, "found_ten:Mine", "found: found_ten:Mine is not a class"),
            ({"found_eleven.py": "1 / 0"}, "found_eleven:Mine", "ZeroDivisionError: division by zero"),
            ({"found_twelve.py": "import found_what"}, "found_twelve:Mine", "needs the package 'found_what'"),
            ({}, "found_none", "found: fusion 'mine' is 'found_none', expected package.module:Class"),
            ({}, "found_none:", "found: fusion 'mine' is 'found_none:', expected package.module:Class"),
        ],
    )
    def test_a_package_that_does_not_have_it_is_named(self, install, files, value, said):
        install("found", files, f"[mmcli.fusion]\nmine = {value}\n")
        with pytest.raises(MmcliError, match=said):
            FUSIONS.load("mine")

    def test_a_name_of_two_packages_is_refused(self, install):
        for name in ("found_a", "found_b"):
            install(name, {}, "[mmcli.fusion]\nmine = found_any:Mine\n")
        with pytest.raises(MmcliError, match=r"'mine' is defined by found_. and by found_.; uninstall one"):
            FUSIONS.names()

    @pytest.mark.parametrize("name", ["tone", "smell.tone", "image.", "image.a b", "image.video.tone"])
    def test_a_name_that_no_one_could_type_is_refused(self, install, name):
        install("found", {}, f"[mmcli.extractors]\n{name} = found_any:Mine\n")
        with pytest.raises(MmcliError, match=r"found: extractors '.*': expected"):
            EXTRACTORS["image"].names()


class TestFiles:
    def write(self, path, table, content=MINE):
        path.write_text(f"{content}MMCLI = {table}\n")
        return path

    def test_the_classes_of_a_file_are_listed(self, tmp_path):
        (used,) = use_plugins([self.write(tmp_path / "mine.py", '{"fusion": {"mine": Mine}}')])
        assert used.name == "mine.py"
        assert {group: list(entries) for group, entries in used.entries.items()} == {"fusion": ["mine"]}
        assert FUSIONS.summary("mine") == "What mine does."
        assert FUSIONS.plugin_of("mine") == {"plugin": {"file": "mine.py", "sha256": used.sha256}}
        assert FUSIONS.name_of(FUSIONS.load("mine")) == "mine"

    def test_a_class_may_be_made_or_imported(self, tmp_path):
        content = "from fractions import Fraction\ndef make():\n    class Made: ...\n    return Made\n"
        use_plugins([self.write(tmp_path / "mine.py", '{"tasks": {"own": make(), "part": Fraction}}', content)])
        assert [TASKS.load(name).__name__ for name in ("own", "part")] == ["Made", "Fraction"]

    def test_a_file_that_changes_is_read_again_and_brings_what_it_says_now(self, tmp_path):
        """Also where time and size are the same, by which Python would take what it compiled before."""
        path = self.write(tmp_path / "mine.py", '{"fusion": {"mine": Mine, "more": Mine}}')
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        use_plugins([path])
        self.write(path, '{"fusion": {"mine": Mine, "less": Mine}}', MINE.replace("3", "4"))
        os.utime(path, ns=times)
        use_plugins([path])
        assert FUSIONS.constant("mine", "version") == 4
        assert "less" in FUSIONS.names()
        assert "more" not in FUSIONS.names()
        assert not (tmp_path / "__pycache__").exists()

    def test_a_file_may_have_another_name_when_its_content_is_the_same(self, tmp_path):
        (used,) = use_plugins([self.write(tmp_path / "mine.py", '{"fusion": {"mine": Mine}}')])
        FUSIONS.check_origin("mine", {"file": "other.py", "sha256": used.sha256})
        with pytest.raises(
            MmcliError, match=r"came from mine.py with the SHA-256 000.*, but mine.py has .*make this again"
        ):
            FUSIONS.check_origin("mine", {"file": "mine.py", "sha256": "0" * 64})

    def test_a_name_of_two_files_is_refused(self, tmp_path):
        one = self.write(tmp_path / "one.py", '{"fusion": {"mine": Mine}}')
        two = self.write(tmp_path / "two.py", '{"fusion": {"mine": Mine}}', MINE * 2)
        use_plugins([one, two])
        with pytest.raises(MmcliError, match=r"fusion method 'mine' is defined by one.py and by two.py; leave one out"):
            FUSIONS.names()

    @pytest.mark.parametrize(
        ("table", "names", "said"),
        [
            ('{"encoders": {"tfidf": Mine}}', ENCODERS.names, "encoder 'tfidf' is one of mmcli's own"),
            ('{"extractors": {"image.resnet18": Mine}}', EXTRACTORS["image"].names, "'resnet18' is one of mmcli's own"),
            ('{"tasks": {"targets": Mine}}', TASKS.names, "task 'targets' is one of mmcli's own"),
            (
                '{"extractors": {"image.x": Mine}, "encoders": {"x": Mine}}', EXTRACTORS["image"].names,
                "is defined by mine.py, and encoders by mine.py",
            ),
        ],
    )  # fmt: skip
    def test_a_name_that_could_mean_two_things_is_refused(self, tmp_path, table, names, said):
        use_plugins([self.write(tmp_path / "mine.py", table)])
        with pytest.raises(MmcliError, match=said):
            names()

    @pytest.mark.parametrize(
        ("table", "said"),
        [
            ('{"extractors": {"tone": Mine}}', r"extractors 'tone': expected KIND\.NAME"),
            ('{"extractors": {"smell.tone": Mine}}', r"extractors 'smell\.tone': expected KIND\.NAME"),
            ('{"fusion": {"a:b": Mine}}', "fusion 'a:b': expected a name of letters"),
            ('{"fusion": {3: Mine}}', "fusion 3: expected a name"),
            ('{"fusion": [Mine]}', "is not a dict of names and classes"),
            ('{"fusion": {"mine": Mine()}}', "fusion 'mine' is not a class"),
            ('{"augmentations": {"image.mine": Mine}}', r"augmentations 'image\.mine' is not a function"),
            ("exit(3)", "SystemExit: 3"),
        ],
    )
    def test_invalid_entries_are_refused(self, tmp_path, table, said):
        with pytest.raises(MmcliError, match=rf"^--plugin .*mine\.py: .*{said}"):
            use_plugins([self.write(tmp_path / "mine.py", table)])


FILE_RECORD = {"file": "mine.py", "sha256": "0" * 64}


class TestRecords:
    def test_fingerprints_ignore_where_the_plugin_is(self):
        def record(plugin):
            return TransformRecord("fuse", 1, {"plugin": plugin}, {}).fingerprint

        package = {"package": "found", "version": "1.0"}
        assert record(FILE_RECORD) == record({**FILE_RECORD, "file": "other.py"})
        assert record(FILE_RECORD) != record({**FILE_RECORD, "sha256": "1" * 64})
        assert record(package) == record({**package, "version": "2.0"})
        assert record(package) != record({**package, "package": "other"})

    def test_a_modality_of_that_name_is_one(self):
        def record(version):
            return TransformRecord("extract-features", 1, {"uses": {"plugin": {"version": version}}}, {}).fingerprint

        assert record(1) != record(2)

    def test_who_brings_it_is_compared_and_nothing_is_loaded(self):
        origin = Origin("mine.py", "0" * 64)
        assert identity_of(origin.to_json()) == {"sha256": "0" * 64}
        check_origin("task", "mine", FILE_RECORD, origin)
        check_origin("task", "mine", None, None)
        with pytest.raises(
            MmcliError, match=r"task 'mine' came from mine.py \(SHA-256 000000000000…\).*--plugin mine.py"
        ):
            check_origin("task", "mine", FILE_RECORD, None)
