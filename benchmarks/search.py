"""Searching an index exactly and by the lists of faiss: size on disk, time to build, time to search, recall.

    python benchmarks/search.py                       # a million rows; about four minutes and 2.5 GB of disk
    python benchmarks/search.py --rows 100000
    python benchmarks/search.py --noise 1             # almost nothing but noise, the worst case for lists

A model of ``sample_data/emoji.csv`` (128 numbers an embedding) answers 1 and 100 of its names. What they look through
is made: mixtures of the embeddings of three rows drawn by chance, with noise. Each time is the shortest of three: of
the whole command, in a process of its own, and of the search alone in a process where everything has been used before.
Recall is the share of the exact ten nearest that are found.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mmcli.retrieval.index import STAGE

from mmcli.chain.driver import Work, drive
from mmcli.chain.transforms import Lookup
from mmcli.inference.model import TrainedModel
from mmcli.reporting import Silent
from mmcli.retrieval.embed import EmbedTransform
from mmcli.retrieval.faiss_lists import VERSION, write_lists
from mmcli.runtime import Runtime
from mmcli.stages.search import search
from mmcli.store.artifact import Artifact
from mmcli.store.columns import Batch, Column, Dense
from mmcli.store.writer import ArtifactWriter

SAMPLE = Path(__file__).parent.parent / "sample_data" / "emoji.csv"
STAGES = (
    ("preprocess", SAMPLE, "-o", "samples", "--text", "name", "--image", "image", "--image-size", "64"),
    ("extract-features", "samples", "-o", "features", "--use", "name=tfidf", "--use", "image=hog"),
    ("train", "features", "-o", "model", "--task", "retrieval"),
    ("predict", "model", "features", "--index", "real"),
)
QUERIES = 100
RUNS = 3


class Made(EmbedTransform):
    """In place of what a model makes of a row, a mixture of what it made of others."""

    def __init__(self, model: TrainedModel, real: Artifact, noise: float) -> None:
        self.model = model
        self.noise = noise
        columns = {name: real.take(name, np.arange(len(real))) for name in real.modalities}
        self.real = {name: column.main.values[column.present] for name, column in columns.items()}

    def apply(self, batch: Batch, runtime: Runtime, earlier: Lookup) -> Batch:
        """Return rows with an embedding of norm 1 of each modality, by their numbers alone."""
        del runtime, earlier
        numbers = np.array([int(row["id"]) for row in batch.rows])
        generator, columns = np.random.default_rng(numbers[0]), {}
        for name, real in self.real.items():
            weights = generator.dirichlet(np.ones(3), len(numbers))
            mixed = np.einsum("bk,bkd->bd", weights, real[generator.integers(0, len(real), (len(numbers), 3))])
            mixed += self.noise * generator.normal(size=mixed.shape)
            mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
            keys = np.repeat(numbers[:, None], 2, axis=1).view(np.uint8)
            columns[name] = Column({"": Dense(mixed.astype(np.float32))}, np.ones(len(numbers), bool), keys)
        return Batch(batch.rows, columns, [])


def make_index(folder: Path, count: int, noise: float) -> float:
    """Write an index of so many made rows with lists; return the seconds that the lists took."""
    model = TrainedModel(folder / "model")
    transform, took = Made(model, Artifact(folder / "real"), noise), []

    def finish(made: Path) -> None:
        began = time.perf_counter()
        write_lists(made, transform.modalities(), count, Silent())
        took.append(time.perf_counter() - began)

    def batch(start: int, stop: int) -> Batch:
        return Batch([{"id": str(number), "split": "test"} for number in range(start, stop)], {})

    upstream = [(record, model.artifact.states(record)) for record in model.artifact.chain]
    header = {"parameters": {"limit": None, "faiss": VERSION}}
    with ArtifactWriter(folder / "index", STAGE) as writer:
        work = Work(transform, count, batch, model.artifact.roles, upstream, header, finish=finish)
        drive(writer, work, Runtime(), Silent(), time.time())
    return took[0]


def mmcli(folder: Path, *arguments: object) -> str:
    """Run a command; return what it prints."""
    command = [sys.executable, "-m", "mmcli", *map(str, arguments), "--quiet"]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def shortest(call: Callable[[], object]) -> float:
    """Return the seconds of the shortest of some calls."""
    seconds = []
    for _ in range(RUNS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def measure(folder: Path, names: list[str]) -> None:
    """Print how long it takes to look for some names, exactly and by lists, and what the lists find."""
    seconds, found = {}, {}
    for faiss in (False, True):
        more = ["--faiss"] if faiss else []
        command = ("search", "model", *names, "--in", "index", "--by", "image", *more)
        answers = [json.loads(line) for line in mmcli(folder, *command).splitlines()]
        found[faiss] = {(row["query"], row["id"]): row["score"] for row in answers}
        whole = shortest(lambda command=command: mmcli(folder, *command))
        alone = shortest(
            lambda faiss=faiss: list(
                search(folder / "model", names, in_=str(folder / "index"), by="image", faiss=faiss)
            )
        )
        seconds[faiss] = whole, alone
    both = found[True].keys() & found[False].keys()
    same = all(found[True][each] == found[False][each] for each in both)
    for place, what in enumerate(("command", "search alone")):
        exact, lists = seconds[False][place], seconds[True][place]
        print(f"{len(names):4} queries, {what:12}  exact {exact:6.2f} s  faiss {lists:6.2f} s  {exact / lists:5.1f} x")
    print(
        f"{'':14}recall@10 {len(both) / len(found[False]):.3f}, scores {'equal' if same else 'DIFFERENT'}", flush=True
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--noise", type=float, default=0.03, help="standard deviation of each number, before norm 1")
    options = parser.parse_args()
    with SAMPLE.open(encoding="utf-8") as file:
        names = sorted({row["name"] for row in csv.DictReader(file)} - {""})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for arguments in STAGES:
            mmcli(folder, *arguments)
        took = make_index(folder, options.rows, options.noise)
        sizes = {
            part: sum(path.stat().st_size for path in (folder / "index" / part).iterdir()) / 2**20
            for part in ("tensors", "faiss")
        }
        modalities, share = len(Artifact(folder / "index").modalities), sizes["faiss"] / sizes["tensors"]
        print(f"{options.rows:,} rows, {modalities} modalities: embeddings {sizes['tensors']:.0f} MB, "
              f"lists {sizes['faiss']:.0f} MB ({share:.2f} of it), built in {took:.0f} s", flush=True)  # fmt: skip
        measure(folder, names[:1])
        measure(folder, list(np.random.default_rng(0).permutation(names)[:QUERIES]))


if __name__ == "__main__":
    main()
