"""The house rules, read from the source and from what importing loads."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from mmcli.registry import ENCODERS, FUSIONS, TASKS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mmcli"
FILES = sorted(PACKAGE.rglob("*.py"))
# A part may import the parts on lower floors and itself. Only the command line, whose parts are one, is wider.
FLOORS = [
    {"errors"},
    {"class_source", "options", "plugins", "reporting"},
    {"store", "registry", "runtime", "yaml_file"},
    {"models", "loop", "context"},
    {"encoders", "modalities", "fusion", "tasks", "augmentation", "evaluation", "engines"},
    {"chain"},
    {"tables", "networks", "testing"},
    {"inference"},
    {"training", "explanation"},
    {"comparison", "retrieval", "reports"},
    {"stages"},
    {"console"},
    {"cli"},
    {"__main__"},
]
FLOOR_OF = {part: number for number, floor in enumerate(FLOORS) for part in floor}
HEAVY = ("torch", "torchvision", "torchaudio", "pandas", "spacy", "sklearn", "scipy", "pyarrow", "av", "matplotlib")


@cache
def imports_of(path: Path) -> list[tuple[str, bool]]:
    """Every module a file imports, with whether that happens when the file is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(outer)
    } | {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.If) and ast.unparse(outer.test) == "TYPE_CHECKING"
        for node in ast.walk(outer)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) not in late) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            found.append((node.module, id(node) not in late))
            found += [(f"{node.module}.{alias.name}", id(node) not in late) for alias in node.names]
    return found


def inner_imports(path: Path) -> set[tuple[str, ...]]:
    return {tuple(name.split(".")) for name, _ in imports_of(path) if name.startswith("mmcli.")}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


class TestFloors:
    def test_every_part_has_a_floor(self):
        assert {part_of(path) for path in FILES} <= {*FLOOR_OF, "__init__"}

    @pytest.mark.parametrize("part", sorted(FLOOR_OF))
    def test_a_part_imports_lower_floors_and_itself(self, part):
        wrong = [
            f"{place(path)} imports {'.'.join(name)}"
            for path in FILES
            if part_of(path) == part
            for name in inner_imports(path)
            if name[1] in FLOOR_OF and name[1] != part and FLOOR_OF[name[1]] >= FLOOR_OF[part]
        ]
        assert not wrong

    @pytest.mark.parametrize(
        "outer", sorted({path.parent.parent for path in FILES if path.parent != PACKAGE}), ids=place
    )
    def test_packages_beside_each_other_have_no_cycles(self, outer):
        depth = len(outer.relative_to(ROOT).parts)
        inner = {path.name for path in outer.iterdir() if (path / "__init__.py").is_file()}
        reached = {name: set() for name in inner}
        for path in FILES:
            own = path.relative_to(outer).parts[0] if path.is_relative_to(outer) else None
            if own in inner:
                around = outer.relative_to(ROOT).parts
                reached[own] |= {
                    name[depth] for name in inner_imports(path) if name[:depth] == around and len(name) > depth
                }
        list(TopologicalSorter({name: (found & inner) - {name} for name, found in reached.items()}).static_order())

    def test_a_private_file_is_for_its_own_package(self):
        wrong = [
            f"{place(path)} imports {'.'.join(name)}"
            for path in FILES
            for name in inner_imports(path)
            if name[-1].startswith("_")
            and (private := ROOT.joinpath(*name).with_suffix(".py")).is_file()
            and private.parent != path.parent
        ]
        assert not wrong

    def test_the_package_itself_imports_nothing(self):
        assert imports_of(PACKAGE / "__init__.py") == []

    def test_kinds_of_modality_do_not_know_each_other(self):
        kinds = {path.name for path in (PACKAGE / "modalities").iterdir() if (path / "__init__.py").is_file()}
        assert len(kinds) >= 5
        for path in FILES:
            inside = path.relative_to(PACKAGE).parts
            if inside[0] != "modalities":
                continue
            own = {inside[1]} if inside[1] in kinds else set()
            reached = {name[2] for name in inner_imports(path) if name[1] == "modalities" and len(name) > 2}
            assert not (reached & kinds) - own, f"{place(path)} imports {sorted((reached & kinds) - own)}"

    @pytest.mark.parametrize("registry", [ENCODERS, FUSIONS, TASKS], ids=lambda registry: registry.what)
    def test_entries_share_private_files_and_not_each_other(self, registry):
        entries = {tuple(registry.module_of(name).split(".")) for name in registry.names()}
        for module in entries:
            reached = inner_imports(ROOT.joinpath(*module).with_suffix(".py"))
            assert not (reached & entries) - {module}, f"{module} imports {sorted(reached & entries)}"

    def test_no_package_is_crowded(self):
        for folder in {path.parent for path in FILES}:
            assert len(list(folder.glob("*.py"))) <= 26, place(folder)

    def test_a_package_says_what_lives_there(self):
        for path in PACKAGE.rglob("__init__.py"):
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), place(path)

    def test_a_stage_is_one_of_the_commands(self):
        """Only stages compose: nothing below them reads the arguments of a command."""
        for path in FILES:
            if part_of(path) not in ("cli", "__main__"):
                packages = {name.split(".")[0] for name, _ in imports_of(path)}
                assert not packages & {"typer", "argparse"}, place(path)


FOREIGN = {
    "mmcli/cli/__init__.py": ("Typer's errors", "format_message"),
    "mmcli/encoders/hub/_hf.py": ("transformers", "from_config pooler projection_dim"),
    "mmcli/encoders/hub/_hf_image.py": ("transformers", "do_center_crop num_register_tokens"),
    "mmcli/encoders/hub/_hf_text.py": (
        "transformers", "embeddings max_position_embeddings padding_idx position_embeddings"
    ),
    "mmcli/encoders/hub/timm.py": ("timm", "checkpoint_filter_fn num_prefix_tokens output_fmt"),
    "mmcli/modalities/video/_decode.py": ("PyAV", "index_entries"),
    "mmcli/models/estimator_head.py": ("scikit-learn, os", "_bin_mapper estimator predict sched_getaffinity"),
    "mmcli/models/estimators.py": ("scikit-learn", "predict_proba"),
    "mmcli/models/packing.py": ("torch.ops", "_convolution_pointwise"),
    "mmcli/models/soundness.py": ("scikit-learn", "classes_ n_features_in_ n_jobs"),
    "mmcli/class_source.py": ("syntax trees", "target value"),
    "mmcli/runtime.py": ("os", "sched_getaffinity"),
    "mmcli/store/publish.py": ("the C library", "renameat2"),
    "mmcli/yaml_file.py": ("YAML's nodes", "value"),
}  # fmt: skip
"""What files look up by a literal name, and of what: of objects that others make."""


class TestForbidden:
    def test_abilities_are_types_not_attribute_names(self):
        """``getattr`` and ``hasattr`` with a literal name ask only what foreign objects have."""
        found: dict[str, set[str]] = {}
        for path in FILES:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                if called in ("getattr", "hasattr") and isinstance(node.args[1], ast.Constant):
                    found.setdefault(place(path), set()).add(node.args[1].value)
        assert found == {name: set(looked_up.split()) for name, (_, looked_up) in FOREIGN.items()}

    def test_rich_is_for_the_console_alone(self):
        users = {place(path) for path in FILES if any(name.split(".")[0] == "rich" for name, _ in imports_of(path))}
        assert {user.rpartition("/")[0] for user in users} == {"mmcli/console"}

    @pytest.mark.parametrize("module", ["click", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"])
    def test_nobody_imports(self, module):
        assert not [place(path) for path in FILES if any(name.split(".")[0] == module for name, _ in imports_of(path))]

    def test_of_pickle_only_the_name_of_its_error_is_used(self):
        """``torch.load(weights_only=True)`` raises it for a file that asks for more."""
        for path in FILES:
            for name, _ in imports_of(path):
                assert name in ("pickle", "pickle.UnpicklingError") or name.split(".")[0] != "pickle", place(path)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
                    assert node.attr == "UnpicklingError", f"{place(path)}, line {node.lineno}"
                if isinstance(node, ast.Import):
                    names = [alias.asname for alias in node.names if alias.name == "pickle"]
                    assert names in ([], [None]), f"{place(path)}, line {node.lineno}"

    def test_foreign_files_are_loaded_without_running_them(self):
        """``torch.load`` says weights_only=True, ``numpy.load`` never allow_pickle=True; nothing is evaluated."""
        for path in FILES:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                called = ast.unparse(node.func)
                options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                if called in ("torch.load", "torch.hub.load"):
                    assert options.get("weights_only") == "True", f"{place(path)}, line {node.lineno}"
                assert options.get("allow_pickle") in (None, "False"), f"{place(path)}, line {node.lineno}"
                assert called not in ("eval", "exec", "os.system", "yaml.load"), f"{place(path)}, line {node.lineno}"
                assert options.get("shell") != "True", f"{place(path)}, line {node.lineno}"

    def test_only_the_command_line_prints_and_exits(self):
        for path in FILES:
            if part_of(path) in ("cli", "console"):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    called = ast.unparse(node.func)
                    assert called not in ("print", "sys.exit", "exit", "quit"), f"{place(path)}, line {node.lineno}"

    def test_names_that_say_nothing(self):
        banned = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
        assert not [place(path) for path in FILES if banned & set(path.with_suffix("").relative_to(PACKAGE).parts)]


CODE = """
import contextlib, io, json, sys
import mmcli.cli
heavy = sys.argv[1].split(",")
found = {"importing": [0, [name for name in heavy if name in sys.modules], ""]}
from mmcli.stages.catalogue import CATALOGUE
commands = list(CATALOGUE)
every = [["--help"], ["--version"], ["list"], ["list", "--json"], *([name, "--help-all"] for name in commands)]
for arguments in every:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        sys.argv = ["mmcli", *arguments]
        try:
            mmcli.cli.main()
        except SystemExit as stop:
            code = stop.code
    found[" ".join(arguments)] = [code or 0, [name for name in heavy if name in sys.modules], out.getvalue()]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    """What each call of the command line returned, loaded and said, in one process after the other calls."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, ",".join(HEAVY)], cwd=ROOT, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class TestLateImports:
    def test_heavy_packages_are_imported_inside_functions(self):
        """But for networks, which stages import late."""
        networks = {"testing", "models", "encoders", "augmentation", "fusion", "tasks", "loop", "evaluation"}
        early = {
            f"{place(path)} imports {name}"
            for path in FILES
            if part_of(path) not in networks and place(path) != "mmcli/training/loading.py"
            for name, at_once in imports_of(path)
            if at_once and name.split(".")[0] in HEAVY
        }
        assert not early

    def test_importing_the_command_line_loads_nothing_heavy(self, found):
        assert found["importing"][1] == []

    def test_every_stage_is_a_command(self, found):
        stages = ["preprocess", "extract-features", "fuse", "train", "evaluate", "predict"]
        assert {f"{stage} --help-all" for stage in stages} <= set(found)
        for stage in stages:
            assert stage in found["--help"][2]

    def test_help_and_lists_succeed(self, found):
        assert {call: code for call, (code, _, _) in found.items() if code != 0} == {}
        assert all(len(text) > 5 for call, (_, _, text) in found.items() if call != "importing")

    def test_and_load_nothing_heavy(self, found):
        assert {call: loaded for call, (_, loaded, _) in found.items() if loaded} == {}

    def test_help_names_every_option_of_the_stage(self, found):
        for stage in ("preprocess", "extract-features", "fuse", "train", "evaluate", "predict"):
            text = found[f"{stage} --help-all"][2]
            shared = ("--debug", "--config", "--limit", "--seed")
            assert [option for option in shared if option not in text] == [], stage

    def test_list_names_what_is_registered(self, found):
        from mmcli.registry import FUSIONS, TASKS

        listed = {(entry["what"], entry["name"]) for entry in json.loads(found["list --json"][2])}
        assert {("fusion", name) for name in FUSIONS.names()} | {("tasks", name) for name in TASKS.names()} <= listed
