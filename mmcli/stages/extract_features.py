"""extract-features: computes features of each modality by the extractors named, or by the defaults of its kind."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.chain.compiling import require_compiler
from mmcli.chain.config import ExtractConfig
from mmcli.chain.driver import Summary, Work, drive, learnt_before, summary_of, up_to_date
from mmcli.chain.extractors import default_extractors, is_untrained, make_extractor, name_of, passed_over, tell_loading
from mmcli.chain.precision import settle_precision
from mmcli.chain.transforms.extract_features import ExtractTransform, Use
from mmcli.context import RunContext, takes
from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.registry import Spec, parse_spec
from mmcli.reporting import Reporter
from mmcli.store.artifact import Artifact, is_artifact
from mmcli.store.columns import ModalitySpec
from mmcli.store.opening import open_samples
from mmcli.store.samples import Samples
from mmcli.store.training_rows import train_columns
from mmcli.store.writer import ArtifactWriter, check_output

STAGE = "extract-features"
NONE = "none"


@takes(ExtractConfig)
def extract_features(source: str, output: Path, config: ExtractConfig, context: RunContext) -> Summary:
    """Compute features of preprocessed samples and write an artifact.

    Raises:
        MmcliError: The source or an extractor is invalid.
    """
    began = time.time()
    reporter, fresh, seed = context.reporter, context.fresh, config.seed
    runtime = context.runtime(seed, precision=config.precision, batch_size=config.batch_size, compiled=config.compile)
    check_output(Path(os.path.abspath(output)), STAGE)
    specs = [_parse_use(text) for text in config.use]  # a wrong name must fail before waiting for a pipe
    samples = open_samples(source, ["preprocess"], config.limit)
    uses = _leave_out_empty(_plan_uses(specs, samples.modalities, seed, reporter), samples, reporter)
    for name, made in uses.items():
        if is_untrained(made.extractor):
            reporter.warn(
                f"{name}: {made.spec} has random weights, and extract-features does not train it; use mmcli train "
                f"--encoder {made.source}=…"
            )
        if ignored := passed_over(samples.modalities[made.source], made.extractor):
            reporter.warn(
                f"{name}: {made.spec} reads the text, not its tokens: {', '.join(ignored)} of preprocess has no effect "
                f"on it (--use {made.source}=tfidf:analyzer=word counts the tokens)"
            )
        if told := tell_loading(made.extractor):
            reporter.note(f"{name}: {told}")
    if config.compile:
        require_compiler(runtime.torch_device())
    transform = ExtractTransform(uses, samples.modalities, config.dtype, runtime)
    header = {
        "source": samples.digest,
        "media_root": samples.first.media_root,
        "seed": seed,
        "parameters": {"limit": config.limit},
    }
    with ArtifactWriter(output, STAGE, fresh) as writer:
        if config.precision == "auto":
            settle_precision(transform, {} if fresh else _config_before(writer.output), samples, runtime, reporter)
        same = None if fresh else up_to_date(writer.output, STAGE, header, transform.config())
        if same is not None:
            return summary_of(same, began)
        hashes = transform.fit(train_columns(samples), {} if fresh else learnt_before(writer.output))
        work = Work(
            transform=transform,
            count=len(samples),
            batch=samples.batch_with_reasons,
            roles=samples.roles,
            upstream=[(record, samples.states(record)) for record in samples.chain],
            header={**header, "learnt_from": hashes},
        )
        return drive(writer, work, runtime, reporter, began)


def _leave_out_empty(uses: dict[str, Use], samples: Samples, reporter: Reporter) -> dict[str, Use]:
    """Remove the uses whose extractor must be fitted although no train row has the modality.

    Raises:
        MmcliError: No use is left.
    """
    fitted = {use.source for use in uses.values() if use.extractor.fitted}
    train = np.flatnonzero(samples.splits() == "train") if fitted else np.zeros(0, np.int64)
    empty = {name for name in fitted if not samples.present(name, train).any()}
    kept = {name: use for name, use in uses.items() if not (use.extractor.fitted and use.source in empty)}
    for name, use in uses.items():
        if name not in kept:
            reporter.warn(f"{name}: in no train row, so {use.spec} cannot be fitted to it; it is left out")
    if not kept:
        raise MmcliError(f"{samples.name}: every train row lacks {', '.join(sorted(empty))}; nothing to extract")
    return kept


def _config_before(output: Path) -> Mapping[str, Any]:
    return Artifact(output).chain[-1].config if is_artifact(output, STAGE) else {}


def _parse_use(text: str) -> tuple[str, Spec]:
    modality, equals, spec = text.partition("=")
    if not equals or not modality or not spec:
        raise UsageError(f"--use {text}: expected MODALITY=EXTRACTOR")
    return modality, parse_spec(spec)


def _plan_uses(
    named: list[tuple[str, Spec]], modalities: Mapping[str, ModalitySpec], seed: int, reporter: Reporter
) -> dict[str, Use]:
    chosen: dict[str, list[Spec]] = {name: [] for name in modalities}
    for modality, spec in named:
        if modality not in modalities:
            raise unknown_name("modality", modality, modalities)
        chosen[modality].append(spec)
    uses: dict[str, Use] = {}
    for modality, specs in chosen.items():
        if not specs:
            specs = default_extractors(modalities[modality])
            reporter.note(
                f"{modality}: {' and '.join(map(str, specs))} by default (--use {modality}=… chooses another, --use "
                f"{modality}={NONE} leaves it out)"
            )
        for spec in specs:
            if spec.name == NONE:
                continue
            name = modality if len(specs) == 1 else f"{modality}_{name_of(spec)}"
            if name in uses:
                raise MmcliError(f"--use {modality}={spec}: {modality} already has an extractor {name_of(spec)}")
            uses[name] = Use(modality, spec, make_extractor(modalities[modality], spec, seed))
    if not uses:
        raise MmcliError("--use leaves out every modality; there is nothing to extract")
    return uses
