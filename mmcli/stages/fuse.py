"""fuse: scales and aligns the features of several modalities and records how they are fused."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from mmcli.chain.config import FuseConfig
from mmcli.chain.driver import Summary, Work, drive, summary_of, up_to_date
from mmcli.chain.fusion_choice import check_method, check_pooling
from mmcli.chain.transforms.fuse import FuseTransform
from mmcli.context import RunContext, listed, takes
from mmcli.registry import FUSIONS, parse_spec
from mmcli.store.opening import join_by_id, open_samples
from mmcli.store.training_rows import aligned_train_columns, train_columns, warn_of_lacking
from mmcli.store.writer import ArtifactWriter, check_output

STAGE = "fuse"


@takes(FuseConfig)
def fuse(sources: str | Sequence[str], output: Path, config: FuseConfig, context: RunContext) -> Summary:
    """Scale and align features, fuse them if the method is static, and write an artifact.

    Raises:
        MmcliError: A source or the method is invalid.
    """
    began = time.time()
    reporter, fresh, seed, pooling = context.reporter, context.fresh, config.seed, config.pooling
    runtime = context.runtime(seed, device="cpu")
    check_output(Path(os.path.abspath(output)), STAGE)
    spec = parse_spec(config.method)
    FUSIONS.summary(spec.name)  # a wrong name must fail before waiting for a pipe
    check_pooling(spec.name, pooling)
    samples = join_by_id([open_samples(source, ["extract-features"], config.limit) for source in listed(sources)])
    check_method(spec, samples.modalities)
    warn_of_lacking(samples, reporter)
    transform = FuseTransform(samples.modalities, spec, seed, pooling=pooling)
    header = {
        "source": samples.digest, "media_root": samples.first.media_root, "seed": seed,
        "parameters": {"limit": config.limit},
    }  # fmt: skip
    with ArtifactWriter(output, STAGE, fresh) as writer:
        same = None if fresh else up_to_date(writer.output, STAGE, header, transform.config())
        if same is not None:
            return summary_of(same, began)
        transform.fit(train_columns(samples), aligned_train_columns(samples))
        work = Work(
            transform=transform,
            count=len(samples),
            batch=samples.batch_with_reasons,
            roles=samples.roles,
            upstream=[(record, samples.states(record)) for record in samples.chain],
            header=header,
        )
        return drive(writer, work, runtime, reporter, began)
