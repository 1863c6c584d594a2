"""Plans a training: encoders, ready features and their scales, the fusion, and the network's sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mmcli.chain.extractors import WORDS_ASKED
from mmcli.chain.fusion_choice import check_pooling, load_fitted
from mmcli.chain.transforms.fuse import FuseTransform
from mmcli.chain.word_start import start_from_vectors
from mmcli.errors import UsageError
from mmcli.modalities.vector_file import open_vectors
from mmcli.models import DEFAULT_POOLING
from mmcli.models.abilities import HoldsMethod
from mmcli.networks.config import NetworkConfig
from mmcli.networks.encoder_choice import EncoderChoice, build_encoder, choose_encoders, reads_files
from mmcli.networks.estimator_choice import check_suits_estimator
from mmcli.networks.plan import NetworkPlan
from mmcli.registry import ENCODERS, FUSIONS, parse_spec
from mmcli.reporting import Reporter
from mmcli.runtime import computes_bfloat16
from mmcli.store.columns import FUSED, ModalitySpec
from mmcli.store.samples import Samples
from mmcli.store.training_rows import aligned_train_columns, train_columns
from mmcli.training.config import TrainConfig

DEFAULT_METHOD = "concat"
STATIC_HIDDEN = (256,)
READY_DROPOUT, ENCODED_DROPOUT, ATTENDING_DROPOUT = 0.5, 0.2, 0.3


@dataclass(frozen=True)
class Needs:
    """What the task requires of the network.

    Args:
        default_method: The fusion if neither ``--method`` nor a fuse stage gives one.
        attends: Whether its head attends to the steps of every modality.
        model: The estimator after the fusion; None for a network.
    """

    default_method: str = DEFAULT_METHOD
    attends: bool = False
    model: str | None = None


@dataclass(frozen=True)
class TrainingPlan:
    """The plan of a training.

    Args:
        samples: The samples to train on.
        encoders: The encoders by modality.
        fusing: Scales the ready features, if no fuse stage has done it.
        network: The plan of the network.
    """

    samples: Samples
    encoders: Mapping[str, EncoderChoice]
    fusing: FuseTransform | None
    network: NetworkPlan

    def assets(self) -> dict[str, dict[str, str]]:
        """Return the hashes of the files that encoders start from."""
        made = {
            name: build_encoder(choice, self.samples.modalities[name], self.network.seed, True).assets()
            if reads_files(choice)
            else {}
            for name, choice in self.encoders.items()
        }
        for name, choice in self.encoders.items():
            if choice.vectors is not None:
                made[name] = {**made[name], "vectors": open_vectors(choice.vectors).digest()}
        return {name: files for name, files in made.items() if files}

    def start(self, encoders: Mapping[str, Any], reporter: Reporter) -> None:
        """Initialise text encoders with the word vectors given for them."""
        for name, choice in self.encoders.items():
            if choice.vectors is not None:
                vocabulary = self._vocabulary(name)
                found = start_from_vectors(encoders[name], open_vectors(choice.vectors), vocabulary)
                reporter.note(f"{name}: {choice.vectors} has vectors for {found} of {len(vocabulary)} tokens")

    def load_fitted(self, fusion: Any) -> None:
        """Load the fitted state of a network's fusion, if it is a fitted method."""
        if not FUSIONS.constant(parse_spec(self.network.method).name, "fitted", False):
            return
        learnt = self.samples.states(self.samples.chain[-1]) if self.fusing is None else self.fusing.states()
        load_fitted(fusion.method if isinstance(fusion, HoldsMethod) else fusion, learnt[FUSED])

    def _vocabulary(self, name: str) -> list[str]:
        record = next(record for record in self.samples.chain if record.stage == "preprocess")
        return list(self.samples.states(record)[name].values["vocabulary"])

    def fit(self, scaled: TrainingPlan | None = None) -> Mapping[str, ModalitySpec]:
        """Fit the scales of ready features and a fitted fusion; return the network's inputs.

        Scales are taken from ``scaled``, a fitted plan for the same samples, if given.
        """
        modalities = {name: self.samples.modalities[name] for name in self.encoders}
        if self.fusing is None:
            return {**self.samples.modalities, **modalities}
        self.fusing.fit(
            train_columns(self.samples), aligned_train_columns(self.samples), scaled.fusing if scaled else None
        )
        return {**modalities, **self.fusing.modalities()}


def plan_training(samples: Samples, config: TrainConfig, needs: Needs, device: str, reporter: Reporter) -> TrainingPlan:
    """Decide what to build for these samples.

    Raises:
        MmcliError: An option names something that does not exist, or does not fit.
    """
    asked, seed = config.network, config.data.seed
    encoders = choose_encoders(asked.encoder, samples.modalities)
    named = {text.partition("=")[0] for text in asked.encoder}
    for name, choice in encoders.items():
        if name not in named:
            reporter.note(f"{name}: encoded by {choice} (--encoder {name}=… chooses)")
        if (ignored := samples.modalities[name].facts.get(WORDS_ASKED)) and ENCODERS.constant(
            choice.spec.name, "reads_text", False
        ):
            reporter.warn(f"{name}: {choice} reads the text, not its tokens, so {', '.join(ignored)} has no effect")
        if choice.freeze and (not reads_files(choice) or choice.spec.options.get("weights") == "none"):
            reporter.warn(f"{name}: {choice} has random weights that are not trained")
    fusing, method, pooling = _choose_method(samples, asked, needs, seed, encoders, reporter)
    if needs.model is not None and needs.attends:
        raise UsageError(f"--model {needs.model}: does not write texts, which --task needs; leave --model out")
    if needs.model is not None:
        check_suits_estimator(needs.model, encoders, method, pooling)
        network = NetworkPlan(method, None, (), 0.0, 0.0, seed, pooling=pooling, model=needs.model)
        return TrainingPlan(samples, encoders, fusing, network)
    half = bool(encoders) and (
        config.precision == "bfloat16" or (config.precision == "auto" and computes_bfloat16(device))
    )
    name = parse_spec(method).name
    width = asked.projection if FUSIONS.constant(name, "equal_widths", False) else None
    learnt = FUSIONS.constant(name, "kind") == "learnt"
    widths = (() if learnt else STATIC_HIDDEN) if asked.hidden == "auto" else _parse_hidden(asked.hidden)
    dropout = asked.dropout
    if dropout is None:
        ready = ATTENDING_DROPOUT if needs.attends else READY_DROPOUT
        dropout = ENCODED_DROPOUT if encoders else ready
    network = NetworkPlan(
        method, width, widths, dropout, asked.modality_dropout, seed,
        {name: str(choice) for name, choice in sorted(encoders.items())}, half, pooling, attends=needs.attends,
    )  # fmt: skip
    if network.attends:
        _check_attending(network, asked.hidden)
    return TrainingPlan(samples, encoders, fusing, network)


def _check_attending(network: NetworkPlan, hidden: str) -> None:
    """Reject options that a head attending to the steps of every modality cannot use."""
    if network.late:
        raise UsageError(
            f"--method {network.method}: combines one head per modality, but this task has a single head that attends "
            "to all of them; use a method that fuses features, such as concat"
        )
    if hidden != "auto":
        raise UsageError(f"--hidden {hidden}: this task's head has no hidden layers; set its size by options of --task")


def _parse_hidden(text: str) -> tuple[int, ...]:
    try:
        widths = tuple(int(part) for part in text.split(",") if part and part != "none")
    except ValueError:
        raise UsageError(f"--hidden {text}: expected widths such as 256 or 512,128, or none") from None
    return widths


def _choose_method(
    samples: Samples,
    asked: NetworkConfig,
    needs: Needs,
    seed: int,
    encoders: Mapping[str, EncoderChoice],
    reporter: Reporter,
) -> tuple[FuseTransform | None, str, str]:
    """Return the scaling of ready features, needed without a fuse stage, the method and the pooling."""
    method, pooling = asked.method, asked.pooling
    if samples.stage == "fuse":
        fused = samples.chain[-1].config
        chosen, pooled = str(fused["method"]), str(fused.get("pooling", DEFAULT_POOLING))
        if pooling is not None and pooling != pooled:
            raise UsageError(
                f"--pooling {pooling}: {samples.name} was fused with --pooling {pooled}; leave one of them out"
            )
        if method is not None and str(parse_spec(method)) != chosen:
            raise UsageError(
                f"--method {method}: {samples.name} was fused with --method {chosen}; leave one of them out"
            )
        return None, chosen, pooled
    if method is None:
        reporter.note(f"fusion: {needs.default_method} (--method chooses)")
    spec, pooling = parse_spec(method or needs.default_method), pooling or DEFAULT_POOLING
    check_pooling(spec.name, pooling)
    if encoders and FUSIONS.constant(spec.name, "fitted", False):
        raise UsageError(
            f"--method {spec}: is fitted to features before training, but {', '.join(sorted(encoders))} has none; run "
            "extract-features first, or use another method"
        )
    ready = {
        name: form if form.extractor is not None else replace(form, scaling="column")
        for name, form in samples.modalities.items()
        if name not in encoders
    }
    if not ready:
        return None, str(spec), pooling
    if encoders:
        return FuseTransform(ready, spec, seed, fuses=False), str(spec), pooling
    return FuseTransform(ready, spec, seed, pooling=pooling), str(spec), pooling
