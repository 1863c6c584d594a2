"""The README is true: its commands run, every command is in it, and the check runs what it says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mmcli.cli import app
from tests.readme import README, ROOT, blocks_of, make_place, run_main, shell

BLOCKS = blocks_of(README)


def commands() -> list[str]:
    return [str(command.name) for command in app.registered_commands]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return make_place(tmp_path_factory.mktemp("readme"))


@pytest.fixture(scope="module")
def said(place):
    """What the main command prints; what it makes is then in the folder."""
    return run_main(place)


def test_the_main_command_ends_with_a_model_and_a_prediction(place, said):
    prediction = json.loads(said.splitlines()[-1])
    assert prediction["label"] == max(prediction["probabilities"], key=prediction["probabilities"].get)
    assert len(prediction["probabilities"]) == 9
    assert prediction["modalities"] == ["image", "name"]
    metrics = json.loads((place / "work/report/metrics.json").read_text())
    assert metrics["n"] == 108
    assert metrics["metrics"]["accuracy"] > metrics["baselines"]["majority"]["accuracy"] + 0.3
    counts = json.loads((place / "work/samples/artifact.json").read_text())["counts"]
    assert counts["image"] == {"ok": 527, "missing": 12, "corrupt": 1, "skipped": 0}
    assert counts["audio"] == {"ok": 515, "missing": 24, "corrupt": 1, "skipped": 0}
    assert counts["name"] == {"ok": 534, "missing": 6, "corrupt": 0, "skipped": 0}


@pytest.mark.usefixtures("said")
def test_the_six_commands_reuse_what_run_made_and_the_rest_works(place):
    stages = next(block for block in BLOCKS if block.startswith("mmcli preprocess") and "mmcli predict" in block)
    made = [place / "work" / name / "artifact.json" for name in ("samples", "features", "fused", "model")]
    before = [path.read_bytes() for path in made]
    done = shell(stages, place)
    assert done.returncode == 0, done.stderr
    assert [path.read_bytes() for path in made] == before
    assert len((place / "work/predictions.csv").read_text().splitlines()) == 541
    for block in BLOCKS:
        if any(name in block for name in ("pipefail", "work/inferred", "work/end_to_end")):
            done = shell(block, place)
            assert done.returncode == 0, done.stderr
    assert (place / "work/piped/model/artifact.json").exists()


def test_every_command_is_in_the_readme_and_has_help():
    for name in commands():
        assert f"mmcli {name}" in README, name
        done = subprocess.run(
            [sys.executable, "-m", "mmcli", name, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert len(done.stdout.splitlines()) > 10


def test_the_readme_lists_no_registered_names_as_a_catalogue():
    """`mmcli list` does that, and does not grow old."""
    from mmcli.registry import FUSIONS

    assert sum(f"`{name}`" in README for name in FUSIONS.names()) == 0


def test_the_project_check_runs_the_readme_test_command():
    script = (ROOT / ".ci" / "run").read_text()
    assert "<!-- test command -->" in script
    assert "<!-- test command -->" in README
    assert "./check" in next(block for block in BLOCKS if "[dev]" in block)
