"""A learning curve: a model trained again on growing shares of its train rows."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.comparison.models import Entry, compare_models, entry_of
from mmcli.errors import MmcliError, StoppedError
from mmcli.inference.config import EvaluateConfig
from mmcli.inference.figures import main_metric
from mmcli.inference.inputs import inputs_of_samples
from mmcli.inference.measuring import Measuring
from mmcli.inference.model import STAGE, TrainedModel
from mmcli.reporting import Reporter, Silent, Within
from mmcli.runtime import Runtime
from mmcli.store.columns import Array
from mmcli.store.samples import Samples
from mmcli.store.splitting import fraction
from mmcli.store.writer import ArtifactWriter
from mmcli.tasks.abilities import encodes_classes
from mmcli.tasks.targets import take_same_positives
from mmcli.training.folds import units
from mmcli.training.recorded import recorded_options
from mmcli.training.request import TrainingRequest, request_training
from mmcli.training.single import fit_and_publish, load

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)


def draw_shares(of_row: Sequence[str], shares: Sequence[float], seed: int, strata: Sequence[int] | None) -> list[Array]:
    """Return the rows of each share, nested: each share has the rows of the smaller ones.

    Units are taken in the order of their hashes, with ``strata`` class by class, at least one of each class.

    Args:
        of_row: The unit of each row, (N,), which is taken whole.
        shares: Of the units, above 0 and up to 1, ascending.
        seed: Seed of the hashes.
        strata: The class of each row, (N,); the class of a unit is that of most of its rows.
    """
    counts: dict[str, Counter[int]] = {}
    for unit, stratum in zip(of_row, strata if strata is not None else [0] * len(of_row), strict=True):
        counts.setdefault(unit, Counter())[stratum] += 1
    members: dict[int, list[str]] = {}
    for unit, own in counts.items():
        members.setdefault(min(own, key=lambda stratum: (-own[stratum], stratum)), []).append(unit)
    place: dict[str, float] = {}
    for each in members.values():
        order = sorted(each, key=lambda unit: (fraction(f"share {unit}", seed), unit))
        place |= {unit: number / len(order) for number, unit in enumerate(order)}
    places = np.array([place[unit] for unit in of_row])
    return [np.flatnonzero(places < share - 1e-9) for share in shares]


@dataclass(frozen=True)
class CurvePlan:
    """The trainings of a learning curve.

    Args:
        training: The training on all train rows.
        train: The train rows that it uses, (N,).
        val: The val rows that it uses.
        strata: The class of each train row; None without classes.
        held: The samples to measure on.
        model: The model whose curve it is.
    """

    training: TrainingRequest
    train: Array
    val: Array
    strata: Sequence[int] | None
    held: Samples
    model: TrainedModel

    def shares(self) -> dict[float, Array]:
        """Return the train rows of each share, without shares that add no row to a smaller one."""
        of_row = units(self.training.samples, self.train)
        drawn = draw_shares(of_row, SHARES, self.training.config.data.seed, self.strata)
        by_size = {len(rows): (share, rows) for share, rows in zip(SHARES, drawn, strict=True)}
        return {share: self.train[rows] for share, rows in by_size.values() if len(rows)}


def plan_curve(model: TrainedModel, samples: Samples, split: str, runtime: Runtime, reporter: Reporter) -> CurvePlan:
    """Prepare to train a model again.

    Args:
        model: The model.
        samples: What train takes: train and val rows, and those to measure on.
        split: The split to measure on, val or test.
        runtime: Where to train.
        reporter: Receives warnings of rows that are left out.

    Raises:
        MmcliError: The samples have no train or val rows, or the model cannot be trained again as it was.
    """
    splits = samples.splits()
    for name in ("train", "val"):
        if not (splits == name).any():
            raise MmcliError(
                f"{samples.name}: no {name} rows, which --learning-curve needs; give it the artifact that the model was"
                " trained on, or the table with its splits"
            )
    config = recorded_options(model.artifact, samples.roles.targets)
    training = request_training(samples.choose(np.flatnonzero(splits != "test")), config, runtime, Silent())
    if training.plan.network != model.plan:
        raise MmcliError(
            f"{samples.name}: the model cannot be trained on it as it was before; give it the artifact that the model "
            "was trained on"
        )
    data = load(training, reporter).data
    strata = data.train.encoded.tolist() if encodes_classes(data.task) else None
    held = samples.choose(np.flatnonzero(splits == split))
    return CurvePlan(training, data.train.rows, data.val.rows, strata, held, model)


def learning_curve(
    plan: CurvePlan, keep: Collection[str], config: EvaluateConfig, runtime: Runtime, reporter: Reporter
) -> dict[str, Any]:
    """Train a model on growing shares of its train rows and measure each; the models are not kept.

    The val rows choose the best epoch of each training, as they did for the model.

    Args:
        plan: The trainings.
        keep: The source modalities to use; () means all.
        config: The options of evaluate.
        runtime: Where to train.
        reporter: Receives the progress.

    Returns:
        ``metric``, ``points``, and ``gain``: the difference that the last step made, with interval and p-value.

    Raises:
        StoppedError: Ctrl-C.
        MmcliError: No share can be trained on.
    """
    split, seed = config.split, config.rows.seed
    shares = plan.shares()
    points: list[dict[str, Any]] = []
    entries: dict[float, Entry] = {}
    with reporter.progress("learning curve", len(shares)) as progress:
        for share, rows in shares.items():
            within = Within(f"{share:.0%}", reporter, progress)
            point: dict[str, Any] = {"share": share, "rows": len(rows)}
            try:
                measuring, metrics = _measured(plan, rows, keep, config, runtime, within)
            except StoppedError:
                raise StoppedError("stopped: a learning curve keeps nothing; run the same command again") from None
            except MmcliError as error:
                point["error"] = str(error)
                reporter.warn(f"learning curve: {len(rows)} train rows are not enough: {error}")
            else:
                point |= {name: metrics[name] for name in ("metrics", "intervals")}
                entries[share] = entry_of(measuring.model, measuring, metrics["metrics"])
            points.append(point)
            progress.advance(1, f"{share:.0%}")
    if not entries:
        raise MmcliError(f"--learning-curve: no share of the train rows could be trained on; {points[-1]['error']}")
    last = list(entries)[-1]
    metric = main_metric(entries[last].task, entries[last].metrics)
    return {"metric": metric, "points": points, **_gain(entries, split, seed)}


def _measured(
    plan: CurvePlan, rows: Array, keep: Collection[str], config: EvaluateConfig, runtime: Runtime, reporter: Reporter
) -> tuple[Measuring, Mapping[str, Any]]:
    """Train on some of the train rows and measure the model."""
    training = plan.training
    chosen = np.sort(np.concatenate([rows, plan.val]))
    part = request_training(training.samples.choose(chosen), training.config, runtime, Silent(), training.assets)
    loaded = load(part, Silent())
    take_same_positives(loaded.data.task, plan.model.task)
    with tempfile.TemporaryDirectory(prefix="mmcli-") as folder:
        with ArtifactWriter(Path(folder) / "model", STAGE) as writer:
            fit_and_publish(writer, part, part.to_json(), loaded, runtime, reporter, time.time())
        model = TrainedModel(Path(folder) / "model")
        take_same_positives(model.task, plan.model.task)
        measuring = Measuring(model, keep, plan.held.name, config.target, parts=())
        for asked in inputs_of_samples(model, plan.held, runtime):
            measuring.add(asked, runtime)
    if not len(measuring):
        raise MmcliError(f"{plan.held.name}: no row of split {config.split!r} can be measured")
    return measuring, measuring.measure(config.split, config.rows.seed)[0]


def _gain(entries: Mapping[float, Entry], split: str, seed: int) -> dict[str, Any]:
    """Return what the last step of the train rows gained, by the paired tests of two models."""
    if len(entries) < 2:
        return {}
    before, last = list(entries)[-2:]
    try:
        compared = compare_models({"before": entries[before], "last": entries[last]}, split, seed)
    except MmcliError:  # without a target that both can measure
        return {}
    own, metric = compared["differences"]["last-before"], compared["metric"]
    return {
        "gain": {
            "from": before, "to": last, "difference": own[metric], "smaller_is_better": compared["smaller_is_better"],
            **({"interval": own["intervals"][metric]} if metric in own["intervals"] else {}),
            **({"p_value": own["p_value"]} if "p_value" in own else {}),
        }
    }  # fmt: skip
