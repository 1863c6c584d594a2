"""Applies to samples what a model's chain does between them and training."""

from __future__ import annotations

import time
from pathlib import Path

from mmcli.chain.chain import Chain, ChainHolder, check_same_chain
from mmcli.chain.driver import Work, drive
from mmcli.chain.transforms.extract_features import ExtractTransform
from mmcli.modalities.files import MediaFolder
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.opening import join_by_id, open_samples
from mmcli.store.samples import Samples
from mmcli.store.writer import ArtifactWriter


def extracted(samples: Samples, model: ChainHolder, folder: Path, runtime: Runtime, reporter: Reporter) -> Samples:
    """Return samples with all features that a model's chain extracts, with its fitted state, as artifacts in a folder.

    Preprocessed modalities that it extracts no features of, because the model encodes them, stay beside the features.

    Raises:
        MmcliError: The samples were made differently from the model's training data.
    """
    done = check_same_chain(samples.name, samples.chain, model.chain)
    chain = Chain(model, MediaFolder(samples.first.media_root), samples.roles.id)
    found = [samples]
    for number, (record, transform) in enumerate(zip(chain.records, chain.transforms, strict=True)):
        if record.fingerprint in done or not isinstance(transform, ExtractTransform) or samples.stage == "fuse":
            continue
        place = folder / f"features-{number}"
        work = Work(
            transform=transform,
            count=len(samples),
            batch=samples.batch_with_reasons,
            roles=samples.roles,
            upstream=[(each, samples.states(each)) for each in samples.chain],
            header={"source": samples.digest, "media_root": samples.first.media_root, "seed": 0, "parameters": {}},
        )
        with ArtifactWriter(place, ExtractTransform.stage) as writer:
            drive(writer, work, runtime, reporter, time.time())
        found.append(open_samples(str(place), [ExtractTransform.stage]))
    encoded = {name for name, spec in model.modalities.items() if spec.extractor is None}
    if len(found) > 1 and not encoded & samples.modalities.keys():
        found = found[1:]
    return join_by_id(found)
