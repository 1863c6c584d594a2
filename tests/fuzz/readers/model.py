"""A model with its chain, loaded and asked about one row; its records are damaged, hashes made right again or not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mmcli.stages.predict import predict
from tests.conftest import make_table, write_csv
from tests.fuzz.guard import Case, Reader
from tests.fuzz.mutation import damaged_bytes, damaged_json, damaged_safetensors
from tests.fuzz.readers.artifact import mended


def make(folder: Path) -> Reader:
    """The chain of three modalities, trained for two epochs."""
    from mmcli.stages.extract_features import extract_features
    from mmcli.stages.fuse import fuse
    from mmcli.stages.preprocess import preprocess
    from mmcli.stages.train import train

    make_table(folder, 30)
    preprocess(str(folder / "table.csv"), folder / "samples", text=["words"], image=["picture"], numeric=["size"],
               target="label", image_size=16)  # fmt: skip
    extract_features(str(folder / "samples"), folder / "features")
    fuse([str(folder / "features")], folder / "fused", method="gated")
    train(str(folder / "fused"), folder / "model", epochs=2)
    row = {"id": "x", "words": "rose fire", "picture": "images/0.png", "size": "0.5"}
    write_csv(folder / "one.csv", [row])
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in (folder / "model").rglob("*")
             if path.is_file() and path.name not in ("run.json", "history.json")}  # fmt: skip

    def read(case: Case) -> None:
        path = folder / case.name
        (folder / "damaged").write_bytes(case.content)
        os.replace(folder / "damaged", path)
        try:
            for source in ("one.csv", "fused"):
                list(predict(folder / "model", str(folder / source), device="cpu", limit=1))
        finally:
            (folder / "damaged").write_bytes(files[case.name])
            os.replace(folder / "damaged", path)

    return Reader(_cases(files), read)


@st.composite
def _cases(draw: Any, files: dict[str, bytes]) -> Case:
    header = "model/artifact.json"
    name = draw(st.sampled_from([header] * 4 + list(files)))
    content = files[name]
    if name.endswith(".json"):
        return Case(name, draw(damaged_json(content, mended) if name == header else damaged_json(content)))
    if name.endswith(".safetensors"):
        return Case(name, draw(damaged_safetensors(content)))
    return Case(name, draw(damaged_bytes(content)))
