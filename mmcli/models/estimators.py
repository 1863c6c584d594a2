"""The scikit-learn estimators of ``--model sklearn:NAME``: their classes, options and files.

scikit-learn is only imported when an estimator is built or its options are needed.
"""

from __future__ import annotations

import inspect
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.plugins import Entry, Origin, entries_of
from mmcli.registry import Spec

Role = Literal["classes", "numbers", "clusters"]
FAMILY = "sklearn"
_HIDDEN = frozenset(
    {
        "random_state", "n_jobs", "verbose", "warm_start", "probability", "algorithm", "copy", "copy_X",
        "categorical_features", "connectivity", "covariance_estimator", "interaction_cst", "memory", "metric_params",
        "monotonic_cst", "priors",
    }
)  # fmt: skip
"""Parameters that are set by the seed, do not affect the fit, or cannot be given on a command line."""
_SCHEMA = "schema.json"
_TRUSTED = (
    "sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "sklearn.tree._tree.Tree",
)  # fmt: skip
"""Trusted types of the estimators below, beside those that skops always trusts."""


@dataclass(frozen=True)
class Estimator:
    """A name of ``--model sklearn:NAME``.

    Args:
        summary: One-line description.
        classes, numbers, clusters: The class that predicts them, or its name below ``sklearn``; None if there is none.
        defaults: Defaults that differ from scikit-learn's.
        calibrated: Its scores become probabilities by a sigmoid fitted on folds.
        threads: The fit is bit-identical in any number of threads.
    """

    summary: str
    classes: str | type | None = None
    numbers: str | type | None = None
    clusters: str | type | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    calibrated: bool = False
    threads: bool = False

    def place(self, role: Role) -> str | type | None:
        """Return the class for a role."""
        return {"classes": self.classes, "numbers": self.numbers, "clusters": self.clusters}[role]

    @property
    def roles(self) -> list[Role]:
        """What it can predict."""
        every: tuple[Role, ...] = ("classes", "numbers", "clusters")
        return [role for role in every if self.place(role)]


_BRUTE = {"algorithm": "brute"}
_WHAT = "estimator"
ESTIMATORS: dict[str, Estimator] = {
    "agglomerative": Estimator("Hierarchical clustering.", clusters="cluster.AgglomerativeClustering"),
    "extra_trees": Estimator(
        "Extremely randomised trees.", "ensemble.ExtraTreesClassifier", "ensemble.ExtraTreesRegressor", threads=True
    ),
    "hdbscan": Estimator("Density-based clustering, with noise.", clusters="cluster.HDBSCAN", defaults={"copy": True}),
    "hist_gradient_boosting": Estimator(
        "Gradient-boosted trees on binned features.", "ensemble.HistGradientBoostingClassifier",
        "ensemble.HistGradientBoostingRegressor",
    ),
    "kmeans": Estimator("k-means clustering.", clusters="cluster.KMeans", defaults={"n_init": 10}),
    "knn": Estimator(
        "k nearest neighbours.", "neighbors.KNeighborsClassifier", "neighbors.KNeighborsRegressor", defaults=_BRUTE
    ),
    "lda": Estimator("Linear discriminant analysis.", "discriminant_analysis.LinearDiscriminantAnalysis"),
    "logistic_regression": Estimator(
        "Logistic regression.", "linear_model.LogisticRegression", defaults={"max_iter": 1000}
    ),
    "naive_bayes": Estimator("Gaussian naive Bayes.", "naive_bayes.GaussianNB"),
    "random_forest": Estimator(
        "Random forest.", "ensemble.RandomForestClassifier", "ensemble.RandomForestRegressor",
        threads=True,
    ),
    "ridge": Estimator(
        "Ridge regression and classifier.", "linear_model.RidgeClassifier", "linear_model.Ridge", calibrated=True
    ),
    "svm": Estimator("Support vector machine.", "svm.SVC", "svm.SVR", calibrated=True),
}  # fmt: skip


def estimators() -> dict[str, Estimator]:
    """Return all estimators by name, including those of plugins, which are imported."""
    return {**ESTIMATORS, **{name: _of_plugin(name, entry) for name, entry in _brought().items()}}


def origin_of(name: str) -> Origin | None:
    """Return the plugin that provides an estimator; None for mmcli's own and unknown names."""
    entry = _brought().get(name)
    return None if entry is None else entry.origin


def _brought() -> dict[str, Entry]:
    return entries_of("estimators", _WHAT, ESTIMATORS)


def _of_plugin(name: str, entry: Entry) -> Estimator:
    """Describe a plugin's class by the scikit-learn mixins it inherits."""
    from sklearn.base import BaseEstimator, ClassifierMixin, ClusterMixin, RegressorMixin

    kind = entry.load()
    made = Estimator(
        (kind.__doc__ or "").strip().partition("\n")[0],
        classes=kind if issubclass(kind, ClassifierMixin) else None,
        numbers=kind if issubclass(kind, RegressorMixin) else None,
        clusters=kind if issubclass(kind, ClusterMixin) else None,
        calibrated=not hasattr(kind, "predict_proba"),
    )
    if not made.roles or not issubclass(kind, BaseEstimator):
        raise UsageError(
            f"{entry.origin.name}: {_WHAT} {name!r}: expected a scikit-learn BaseEstimator with ClassifierMixin, "
            "RegressorMixin or ClusterMixin"
        )
    return made


def check_model(spec: Spec) -> None:
    """Reject an unknown ``--model`` or unknown options.

    Raises:
        MmcliError: There is no such family, estimator or option.
    """
    if spec.name not in ("network", FAMILY):
        raise unknown_name("--model", spec.name, ["network", *(f"{FAMILY}:{name}" for name in estimators())])
    if spec.name == "network":
        if spec.argument is not None or spec.options:
            raise UsageError(f"--model {spec}: network takes no options here; use --hidden, --dropout and so on")
        return
    known = options_of_estimator(_entry(spec))
    for key in spec.options:
        if key == "random_state":
            raise UsageError(f"--model {spec}: random_state is set by --seed; leave it out")
        if key not in known:
            raise unknown_name(f"option of --model {FAMILY}:{spec.argument}", key, list(known))


def options_of_estimator(entry: Estimator) -> dict[str, Any]:
    """Return the options of all of an estimator's classes, with their defaults."""
    found: dict[str, Any] = {}
    for role in entry.roles:
        found = {**options_of_role(entry, role), **found}
    return found


def options_of_role(entry: Estimator, role: Role) -> dict[str, Any]:
    """Return the options of an estimator's class for a role, with their defaults."""
    return {
        name: entry.defaults.get(name, parameter.default)
        for name, parameter in inspect.signature(_load(entry, role).__init__).parameters.items()
        if name not in _HIDDEN and parameter.default is not parameter.empty
    }


def roles_of(spec: Spec) -> list[Role]:
    """Return what an estimator can predict.

    Raises:
        UsageError: There is no such estimator.
    """
    return _entry(spec).roles


def names_for(role: Role) -> list[str]:
    """Return the estimators that predict classes, numbers or clusters."""
    return [f"{FAMILY}:{name}" for name, entry in estimators().items() if role in entry.roles]


def build_estimator(spec: Spec, role: Role, seed: int, **given: Any) -> Any:
    """Build an unfitted estimator.

    Args:
        spec: Its name and options.
        role: What it predicts.
        seed: Seed of the estimator.
        given: Internal parameters that override the defaults.

    Raises:
        UsageError: It does not predict that, or its class for this role lacks an option.
    """
    entry = _entry(spec)
    if role not in entry.roles:
        raise UsageError(
            f"--model {spec}: predicts {' and '.join(entry.roles)}, but this task needs {role}; "
            f"use one of {', '.join(names_for(role))}"
        )
    kind = _load(entry, role)
    known = inspect.signature(kind.__init__).parameters
    foreign = [key for key in spec.options if key not in known]
    if foreign:
        raise UsageError(f"--model {spec}: {foreign[0]} is not an option for predicting {role}; leave it out")
    values = {**entry.defaults, **given, **{key: _value(text) for key, text in spec.options.items()}}
    if "random_state" in known:
        values["random_state"] = seed
    return kind(**values)


def is_calibrated(spec: Spec) -> bool:
    """Return whether a classifier's scores are calibrated to probabilities on folds."""
    return _entry(spec).calibrated


def fits_in_threads(spec: Spec) -> bool:
    """Return whether it may be fitted in several threads."""
    return _entry(spec).threads


def write_estimators(made: list[Any], path: Path) -> None:
    """Write fitted estimators, or numbers in place of some, to a file whose bytes depend only on them."""
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(made))) as written:
        schema = json.loads(written.read(_SCHEMA))
        numbers: dict[int, int] = {}
        _renumber(schema, numbers)
        with zipfile.ZipFile(path, "w") as file:
            for name in sorted(set(written.namelist()) - {_SCHEMA}, key=lambda name: _renamed(name, numbers)):
                file.writestr(zipfile.ZipInfo(_renamed(name, numbers)), written.read(name))
            file.writestr(zipfile.ZipInfo(_SCHEMA), json.dumps(schema))


def read_estimators(path: Path, spec: Spec) -> list[Any]:
    """Read what ``write_estimators`` wrote; only trusted types of the estimators here are created.

    Args:
        path: The file.
        spec: The estimator; that of a plugin may also use types defined by the plugin's package.

    Raises:
        MmcliError: The file is damaged, or holds something else.
    """
    import skops.io

    try:
        with zipfile.ZipFile(path) as file:
            if any(part.compress_type != zipfile.ZIP_STORED for part in file.infolist()):
                raise ValueError
        untrusted, own = set(skops.io.get_untrusted_types(file=path)), _package_of(spec)
        trusted = {*_TRUSTED, *(name for name in untrusted if own and name.partition(".")[0] == own)}
        strange = sorted(untrusted - trusted)
        found = [] if strange else skops.io.load(path, trusted=sorted(trusted))
    except Exception:  # damaged bytes raise anything
        raise MmcliError(f"{path}: damaged, or not the estimator of a model; train it again") from None
    if strange:
        raise MmcliError(f"{path}: holds {', '.join(strange[:3])}, which no estimator here uses; not loaded")
    if not isinstance(found, list):
        raise MmcliError(f"{path}: damaged, or not the estimator of a model; train it again")
    return found


def _entry(spec: Spec) -> Estimator:
    name, brought = str(spec.argument or ""), _brought()
    if name in ESTIMATORS:
        return ESTIMATORS[name]
    if name not in brought:
        raise unknown_name(f"--model {FAMILY}:", name, [*ESTIMATORS, *brought])
    return _of_plugin(name, brought[name])


def _load(entry: Estimator, role: Role) -> Any:
    place = entry.place(role)
    if isinstance(place, type):
        return place
    module, _, name = str(place).rpartition(".")
    return getattr(import_module(f"{FAMILY}.{module}"), name)


def _package_of(spec: Spec) -> str:
    """Return the top package of a plugin's estimator; "" for mmcli's own."""
    entry = _brought().get(str(spec.argument))
    return "" if entry is None else str(entry.load().__module__).partition(".")[0]


def _value(text: str) -> Any:
    """Parse an option's value: none, true or false, a number, or a word."""
    known = {"none": None, "true": True, "false": False}
    if text.lower() in known:
        return known[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _renumber(node: Any, numbers: dict[int, int]) -> None:
    """Number the objects of a skops schema in order of appearance instead of by memory address."""
    if isinstance(node, list):
        for part in node:
            _renumber(part, numbers)
    elif isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        for part in node.values():
            _renumber(part, numbers)
        if isinstance(node.get("file"), str):
            node["file"] = _renamed(node["file"], numbers)


def _renamed(name: str, numbers: Mapping[int, int]) -> str:
    stem, dot, suffix = name.partition(".")
    return f"{numbers[int(stem)]:08d}{dot}{suffix}" if stem.isdigit() and int(stem) in numbers else name
