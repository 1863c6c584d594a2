"""compare: what it says of each method, what it reads, and what is not done twice."""

from __future__ import annotations

import csv
import hashlib
import json
import statistics
from pathlib import Path

import numpy as np
import pytest

from mmcli.comparison import runs as comparison_runs
from mmcli.comparison.choices import parse_seeds
from mmcli.errors import MmcliError, StoppedError, UsageError
from mmcli.evaluation.paired import paired_p_values
from mmcli.registry import FUSIONS
from mmcli.stages.compare import compare
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.stages.verify import verify
from mmcli.store.artifact import Artifact
from mmcli.store.samples import Samples
from mmcli.store.state import State
from mmcli.training.fit import TrainingRun, checkpoint_before

METHODS = ("only:words", "only:table", "gated", "mean")
CHAIN_FEATURES = Path("the features themselves")
FEW = {"epochs": 3, "lr": 0.0003, "device": "cpu"}


class Heard:
    """A reporter that remembers warnings, and can press Ctrl-C after some steps of training."""

    def __init__(self, steps: int | None = None) -> None:
        self.warnings: list[str] = []
        self.left = steps

    def note(self, text): ...

    def warn(self, text):
        self.warnings.append(text)

    def progress(self, label, total):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *details):
        return None

    def advance(self, steps=1, note=""):
        if self.left is not None and "loss" in note:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


@pytest.fixture
def fits(monkeypatch):
    """The seeds of the trainings that began."""
    begun = []
    whole = TrainingRun.fit

    def counted(self, plan, *rest, **named):
        begun.append((plan.network.method, plan.network.seed))
        return whole(self, plan, *rest, **named)

    monkeypatch.setattr(TrainingRun, "fit", counted)
    return begun


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


@pytest.fixture(scope="module")
def whole(chain, tmp_path_factory):
    """A comparison without interruption, and what it found."""
    folder = tmp_path_factory.mktemp("whole") / "comparison"
    return folder, compare(str(chain / "features"), folder, method=METHODS, seeds="2", **FEW).found


def by_method(found):
    return {method["method"]: method for method in found["methods"]}


class TestWhatItSays:
    def test_values_are_those_of_train_with_that_method_and_seed(self, chain, whole, tmp_path):
        _, found = whole
        for name in ("only:words", "gated"):
            for run in by_method(found)[name]["runs"]:
                model = tmp_path / f"{name[:4]}{run['seed']}"
                train(str(chain / "features"), model, method=name, seed=run["seed"], **FEW)
                header = Artifact(model).header
                assert run["metrics"] == {k: v for k, v in header["best_values"].items() if k != "loss"}
                assert run["parameters"] == header["parameter_count"]
                assert run["best_epoch"] == header["best_epoch"]

    def test_methods_are_in_order_beside_the_best_single_modality(self, whole):
        _, found = whole
        for method in found["methods"]:
            values = [run["metrics"]["accuracy"] for run in method["runs"]]
            assert method["mean"] == pytest.approx(statistics.fmean(values))
            assert method["std"] == pytest.approx(statistics.stdev(values))
            assert [run["seed"] for run in method["runs"]] == found["seeds"] == [0, 1]
        means = [method["mean"] for method in found["methods"]]
        assert means == sorted(means, reverse=True)
        assert len(set(means)) > 1, "the methods of this test do not differ"
        singles = {name: method["mean"] for name, method in by_method(found).items() if method["kind"] == "single"}
        assert set(singles) == {"only:words", "only:table"}
        assert found["reference"] == max(singles, key=singles.get)
        for name, method in by_method(found).items():
            if name == found["reference"]:
                assert method["difference"] is method["p_value"] is None
            else:
                assert method["difference"] == pytest.approx(method["mean"] - max(singles.values()))

    def test_p_values_are_of_the_mean_over_seeds_of_what_each_run_predicted(self, chain, whole):
        folder, found = whole
        rows = {json.loads(line)["id"]: json.loads(line) for line in (chain / "features/manifest.jsonl").open()}
        ids = [json.loads(line)["id"] for line in (folder / "val.jsonl").open()]
        assert ids == [name for name, row in rows.items() if row["split"] == "val"]
        assert found["n"] == len(ids)
        labels = ["blue", "green", "red"]
        truth = np.array([labels.index(rows[name]["label"]) for name in ids])
        right = {}
        for name, method in by_method(found).items():
            predicted = [State.read(folder / "runs" / run["run"]).tensors["probabilities"] for run in method["runs"]]
            right[name] = np.mean([each.argmax(axis=1) == truth for each in predicted], axis=0)
            assert right[name].mean() == pytest.approx(method["mean"])
        for name in set(right) - {found["reference"]}:
            expected = paired_p_values((right[name] - right[found["reference"]])[None])[0]
            assert by_method(found)[name]["p_value"] == pytest.approx(expected)

    def test_table_figure_and_report_are_written(self, whole):
        folder, found = whole
        with (folder / "comparison.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["method"] for row in rows] == [method["method"] for method in found["methods"]]
        assert [float(row["mean"]) for row in rows] == [method["mean"] for method in found["methods"]]
        assert (folder / "plots/comparison.png").read_bytes().startswith(b"\x89PNG")
        page = (folder / "report.html").read_text(encoding="utf-8")
        for method in found["methods"]:
            assert f'<th scope="row">{method["method"]}</th>' in page
            assert f'<td class="n">{method["mean"]:.3f}</td>' in page
        assert json.loads((folder / "comparison.json").read_text()) == found
        assert verify(folder) == []

    def test_of_a_loss_the_smallest_is_best(self, chain, tmp_path):
        found = compare(
            str(chain / "features"), tmp_path / "c", method=METHODS[:3], seeds="4,2", metric="log_loss", **FEW
        ).found
        means = [method["mean"] for method in found["methods"]]
        assert means == sorted(means)
        assert found["seeds"] == [4, 2]
        for method in found["methods"]:
            losses = [run["metrics"]["log_loss"] for run in method["runs"]]
            assert method["best_seed"] == found["seeds"][losses.index(min(losses))]
            assert method["p_value"] is None or 0 < method["p_value"] <= 1

    def test_a_metric_that_is_no_mean_over_rows_has_no_p_value(self, chain, tmp_path):
        found = compare(
            str(chain / "features"), tmp_path / "c", method=METHODS[1:3], seeds="1", metric="roc_auc", **FEW
        ).found
        assert by_method(found)["gated"]["difference"] is not None
        assert [method["p_value"] for method in found["methods"]] == [None, None]
        assert [method["std"] for method in found["methods"]] == [None, None]

    def test_by_default_it_is_every_method(self, chain, tmp_path):
        found = compare(str(chain / "features"), tmp_path / "c", seeds="1", epochs=1, device="cpu").found
        singles = {f"only:{source}" for source in ("words", "picture", "table")}
        assert set(by_method(found)) == {*singles, *FUSIONS.names()} - {"only"}
        assert [method["error"] for method in found["methods"]] == [None] * len(found["methods"])


class TestWhatItReads:
    def test_changing_every_test_row_changes_nothing(self, table, tmp_path):
        def run(name):
            preprocess(
                str(table), tmp_path / name, text=["words"], image=["picture"], numeric=["size"], target="label",
                image_size=32,
            )  # fmt: skip
            extract_features(str(tmp_path / name), tmp_path / f"{name}.features")
            found = compare(
                str(tmp_path / f"{name}.features"), tmp_path / f"{name}.c", method=("gated", "pca", "only:words"),
                seeds="1", **FEW,
            ).found  # fmt: skip
            for method in found["methods"]:
                for each in method["runs"]:
                    del each["run"]  # the source is another, and is part of what a run is known by
            return found

        before = run("before")
        lines = table.read_text().splitlines()
        changed = [
            ",".join([line.split(",")[0], "test", "nothing of this", "images/0.png", "999", "red"])
            if ",test," in line
            else line
            for line in lines
        ]
        assert changed != lines
        table.write_text("\n".join(changed) + "\n")
        assert run("after") == before

    def test_no_test_row_is_among_the_samples(self, chain, tmp_path, monkeypatch):
        seen = set()
        whole = Samples.batch

        def watched(self, *arguments):
            batch = whole(self, *arguments)
            seen.update(row["split"] for row in batch.rows)
            return batch

        monkeypatch.setattr(Samples, "batch", watched)
        compare(str(chain / "features"), tmp_path / "c", method=["concat"], seeds="1", **FEW)
        assert seen == {"train", "val"}

    def test_rows_are_read_once_for_all_methods(self, chain, tmp_path, monkeypatch):
        from mmcli.training.request import TrainingRequest

        loads = []
        whole = TrainingRequest.load
        monkeypatch.setattr(TrainingRequest, "load", lambda self, *rest: loads.append(1) or whole(self, *rest))
        compare(str(chain / "features"), tmp_path / "c", method=["concat", "gated", "attention"], seeds="2", **FEW)
        assert len(loads) == 1

    def test_encoders_are_trained_with_each_method(self, chain, tmp_path):
        found = compare(
            str(chain / "samples"), tmp_path / "c", method=["only:words", "gated"], seeds="1", epochs=1, device="cpu",
            encoder=["words=embedding", "picture=cnn", "table=mlp"],
        ).found  # fmt: skip
        assert [method["error"] for method in found["methods"]] == [None, None]


class TestNothingIsDoneTwice:
    def test_the_same_command_again_trains_nothing(self, chain, whole, fits, monkeypatch):
        folder, found = whole
        monkeypatch.setattr(comparison_runs.ComparisonRuns, "load", lambda *_: pytest.fail("the rows were read"))
        assert compare(str(chain / "features"), folder, method=METHODS, seeds="2", **FEW).found == found
        assert fits == []

    @pytest.mark.parametrize(("steps", "epochs"), [(3 * 3, 3), (3 * 3 + 2, 2)])
    def test_after_ctrl_c_the_same_command_does_the_rest(
        self, chain, whole, tmp_path, fits, monkeypatch, steps, epochs
    ):
        source, output = str(chain / "features"), tmp_path / "c"
        with pytest.raises(StoppedError, match=r"stopped after \d of 8 runs; run the same command again") as stopped:
            compare(source, output, method=METHODS, seeds="2", reporter=Heard(steps), **FEW)
        assert stopped.value.exit_code == 130
        assert not output.exists()
        done = [key for key in fits[:-1]]
        fits.clear()
        taken_up = []

        def watched(*arguments):
            found = checkpoint_before(*arguments)
            taken_up.extend([] if found is None else [len(found.checkpoint.history)])
            return found

        monkeypatch.setattr(comparison_runs, "checkpoint_before", watched)
        compare(source, output, method=METHODS, seeds="2", **FEW)
        assert taken_up == [epochs]
        assert len(fits) == 8 - len(done)
        assert not set(fits) & set(done)
        assert digests(output) == digests(whole[0])

    def test_one_more_method_or_seed_is_all_that_is_done(self, chain, tmp_path, fits):
        source, output = str(chain / "features"), tmp_path / "c"
        compare(source, output, method=METHODS[:2], seeds="2", **FEW)
        first = by_method(compare(source, output, method=METHODS[:2], seeds="2", **FEW).found)
        fits.clear()
        comparison = compare(source, output, method=METHODS[:3], seeds="2", **FEW)
        assert fits == [("gated", 0), ("gated", 1)]
        for name in METHODS[:2]:
            assert by_method(comparison.found)[name]["runs"] == first[name]["runs"]
        assert set(comparison.seconds) == set(METHODS[:3])
        fits.clear()
        compare(source, output, method=METHODS[:3], seeds="3", **FEW)
        assert sorted(fits) == [("gated", 2), ("only:table", 2), ("only:words", 2)]
        fits.clear()
        with pytest.raises(MmcliError, match=r"has 8 runs that this command does not include .* --fresh"):
            compare(source, output, method=METHODS[:1], seeds="1", **FEW)
        assert not fits
        compare(source, output, method=METHODS[:1], seeds="1", fresh=True, **FEW)
        assert len(fits) == 1

    def test_a_damaged_run_is_done_again(self, chain, tmp_path, fits):
        source, output = str(chain / "features"), tmp_path / "c"
        found = compare(source, output, method=METHODS[:2], seeds="1", **FEW).found
        run = found["methods"][0]["runs"][0]["run"]
        file = output / "runs" / f"{run}.json"
        file.write_text(file.read_text().replace('"epochs":3', '"epochs":4'))
        fits.clear()
        again = compare(source, output, method=METHODS[:3], seeds="1", **FEW).found
        assert len(fits) == 2
        assert by_method(again)[METHODS[0]] == {**by_method(found)[METHODS[0]]}


class TestFailures:
    def test_a_method_that_fails_is_a_row_that_says_why(self, chain, tmp_path):
        heard = Heard()
        methods = ["only:words", "tensor:dim=100", "concat"]
        found = compare(str(chain / "features"), tmp_path / "c", method=methods, seeds="2", reporter=heard, **FEW).found
        assert found["methods"][-1]["method"] == "tensor:dim=100"
        assert "101" in found["methods"][-1]["error"] or "dim" in found["methods"][-1]["error"]
        assert found["methods"][-1]["mean"] is None
        assert heard.warnings == ["1 of 3 methods failed (tensor:dim=100); the table says why"]

    def test_leftovers_of_failed_runs_are_not_published(self, chain, tmp_path, monkeypatch):
        whole = TrainingRun.fit

        def failing(self, plan, *rest, **named):
            found = whole(self, plan, *rest, **named)
            self.save()
            if plan.network.method == "gated":
                raise MmcliError("the loss is no longer finite")
            return found

        monkeypatch.setattr(TrainingRun, "fit", failing)
        compare(str(chain / "features"), tmp_path / "c", method=["only:words", "gated"], seeds="1", **FEW)
        there = {path.name for path in (tmp_path / "c").iterdir()}
        assert there == {
            "artifact.json", "comparison.csv", "comparison.json", "plots", "report.html", "report.md", "run.json",
            "runs", "val.jsonl",
        }  # fmt: skip

    def test_if_all_fail_it_is_an_error(self, chain, tmp_path):
        with pytest.raises(MmcliError, match=r"no method could be trained; tensor:dim=100: "):
            compare(str(chain / "features"), tmp_path / "c", method=["tensor:dim=100"], **FEW)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"method": ["gatd"]}, MmcliError, "did you mean 'gated'"),
            ({"method": ["gated", "gated:foo=1"]}, MmcliError, "unknown option of fusion method 'gated' 'foo'"),
            ({"method": ["gated", "only:wrds"]}, MmcliError, "unknown modality 'wrds'; did you mean 'words'"),
            ({"method": ["gated", "mag:main=wrds"]}, MmcliError, "unknown modality 'wrds'"),
            ({"seeds": "0,-1"}, UsageError, "seed -1: expected an integer from 0"),
            ({"seed": 2**63}, UsageError, "expected an integer from 0"),
            ({"metric": "acuracy"}, MmcliError, "unknown metric 'acuracy'; did you mean 'accuracy'"),
            ({"target": "labl"}, MmcliError, "no column 'labl'"),
            ({"seeds": "0"}, UsageError, "--seeds 0: expected 1 to"),
            ({"seeds": "two"}, UsageError, "--seeds two: expected a number of seeds"),
            ({"seeds": "1,2,1"}, UsageError, "seeds must be unique"),
            ({"method": ["gated"], "keep": CHAIN_FEATURES}, MmcliError, "lies inside the artifact"),
            ({"keep": Path("c/models")}, UsageError, "--keep c/models: lies inside the output folder"),
        ],
    )
    def test_invalid_comparisons_are_refused_with_the_reason(
        self, chain, tmp_path, monkeypatch, options, error, message
    ):
        monkeypatch.chdir(tmp_path)
        if options.get("keep") is CHAIN_FEATURES:
            options = {**options, "keep": chain / "features"}
        with pytest.raises(error, match=message):
            compare(str(chain / "features"), Path("c"), **options)
        assert list(tmp_path.iterdir()) == []

    def test_artifacts_of_fuse_are_refused(self, chain, tmp_path):
        with pytest.raises(MmcliError, match="an artifact of fuse, expected one of preprocess or extract-features"):
            compare(str(chain / "fused"), tmp_path / "c")

    def test_seeds_are_a_count_or_a_list(self):
        assert parse_seeds("3", 5) == [5, 6, 7]
        assert parse_seeds("4,0", 5) == [4, 0]


class TestKeep:
    def test_models_are_those_that_were_measured(self, chain, tmp_path, fits):
        source, output, models = str(chain / "features"), tmp_path / "c", tmp_path / "models"
        options = {"method": METHODS[:3], "seeds": "2", "keep": models, **FEW}
        found = by_method(compare(source, output, **options).found)
        assert sorted(folder.name for folder in models.iterdir()) == ["gated", "only-table", "only-words"]
        for name, method in found.items():
            model = models / name.replace(":", "-")
            best = next(run for run in method["runs"] if run["seed"] == method["best_seed"])
            assert best["metrics"]["accuracy"] == max(run["metrics"]["accuracy"] for run in method["runs"])
            measured = evaluate(model, source, split="val").metrics["metrics"]
            assert measured["accuracy"] == best["metrics"]["accuracy"]
            assert measured["log_loss"] == pytest.approx(best["metrics"]["log_loss"], rel=1e-4)
        assert len(fits) == 6
        compare(source, output, **options)
        assert len(fits) == 6
        train(source, models / "gated", method="gated", seed=found["gated"]["best_seed"], **FEW)
        assert len(fits) == 6, "train would not have made the same model"

    def test_models_of_runs_done_before_are_trained_again(self, chain, tmp_path, fits):
        source, output, models = str(chain / "features"), tmp_path / "c", tmp_path / "models"
        found = compare(source, output, method=METHODS[:2], seeds="2", **FEW).found
        before = digests(output)
        fits.clear()
        compare(source, output, method=METHODS[:2], seeds="2", keep=models, **FEW)
        assert sorted(fits) == sorted((method["method"], method["best_seed"]) for method in found["methods"])
        assert digests(output) == before
