"""The options of preprocess and check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmcli.options import option, part
from mmcli.store.labels import EmptyTarget
from mmcli.store.sources.dialect import TableText

MOST_ROWS = 100_000_000
_COLUMNS, _SPLITS, _FILES, _BAD = "Columns", "Splits", "Files", "Bad inputs"
_TEXT, _IMAGES, _SOUND, _VIDEO = "Text", "Images and frames", "Sound", "Video"
TARGET_NAMES = ("target", "label", "class", "category", "y", "cls")
"""Names of the columns that are the target if none is given, the preferred first."""
_INFERRED = "inferred"
OnError = Literal["keep", "drop", "fail"]


@dataclass(frozen=True)
class ColumnsConfig:
    """The columns of each modality; without any of these options, kinds are inferred from the table."""

    text: Sequence[str] = option(
        (), group=_COLUMNS, metavar="[NAME=]COLUMN", default_text=_INFERRED,
        help="Text column; NAME= names the modality. Repeatable.",
    )  # fmt: skip
    image: Sequence[str] = option(
        (), group=_COLUMNS, metavar="[NAME=]COLUMN", default_text=_INFERRED,
        help="Column with paths of image files. Repeatable.",
    )  # fmt: skip
    audio: Sequence[str] = option(
        (), group=_COLUMNS, metavar="[NAME=]COLUMN", default_text=_INFERRED,
        help="Column with paths of audio files, or of videos, to use their sound track. Use another name if the column "
        "is also --video: --audio sound=clip. Repeatable.",
    )  # fmt: skip
    video: Sequence[str] = option(
        (), group=_COLUMNS, metavar="[NAME=]COLUMN", default_text=_INFERRED,
        help="Column with paths of video files; frames are used, sound is not. Repeatable.",
    )  # fmt: skip
    numeric: Sequence[str] = option(
        (), group=_COLUMNS, metavar="[NAME=]PATTERN", default_text=_INFERRED,
        help="Numeric columns: a name or a quoted pattern such as 'a_*'. They form one modality named table, together "
        "with --categorical; NAME='a_*' makes a separate modality. Repeatable.",
    )  # fmt: skip
    categorical: Sequence[str] = option(
        (), group=_COLUMNS, metavar="PATTERN", default_text=_INFERRED,
        help="Categorical columns: a name or a quoted pattern. Part of the modality named table. Repeatable.",
    )  # fmt: skip
    tensor: Sequence[str] = option(
        (), group=_COLUMNS, metavar="[NAME=]COLUMN|NAME=FILE", default_text=_INFERRED,
        help="Column with paths of arrays (.npy, .npz, .safetensors or .pt), or NAME=FILE: one such file with a row "
        "per sample. Repeatable.",
    )  # fmt: skip
    lengths: Sequence[str] = option(
        (), group=_COLUMNS, rare=True, metavar="NAME=COLUMN|FILE",
        help="Column or file with the length of each sequence of the tensor modality NAME; steps beyond it are "
        "padding. Repeatable.",
    )  # fmt: skip
    pad_value: Sequence[str] = option(
        (), group=_COLUMNS, rare=True, metavar="NAME=NUMBER",
        help="Trailing steps of the tensor modality NAME that contain only this number are padding. Repeatable.",
    )  # fmt: skip


@dataclass(frozen=True)
class IntakeConfig:
    """How a table is read into rows with ids, splits and targets."""

    target: Sequence[str] = option(
        (), group=_COLUMNS, metavar="COLUMN",
        default_text=f"the column {', '.join(TARGET_NAMES[:-1])} or {TARGET_NAMES[-1]}, if there is one",
        help="Column to predict. Repeatable: several targets are learnt together.",
    )  # fmt: skip
    empty_target: EmptyTarget = option(
        "error", group=_BAD,
        help="Train or val rows without a target: error stops, drop leaves them out, none treats them as rows without "
        "labels (multilabel only).",
    )  # fmt: skip
    id: str | None = option(
        None, group=_COLUMNS, metavar="COLUMN", default_text="the column id, or row numbers",
        help="Column with a unique id for each sample.",
    )  # fmt: skip
    split: str | None = option(
        None, group=_SPLITS, metavar="COLUMN", default_text="the column split, if there is one",
        help="Column that assigns each row to train, val or test.",
    )  # fmt: skip
    split_ratio: str | None = option(
        None, group=_SPLITS, metavar="TRAIN,VAL,TEST", default_text="0.8,0.1,0.1 if there is no split column",
        help="Fractions of train, val and test, for a random split. Overrides a column named split; cannot be combined "
        "with --split.",
    )  # fmt: skip
    stratify: str | None = option(
        None, group=_SPLITS, metavar="COLUMN",
        help="Column whose values occur in the same proportions in every split.",
    )  # fmt: skip
    group_by: str | None = option(
        None, group=_SPLITS, metavar="COLUMN", help="Keep rows with the same value of this column in one split."
    )
    limit: int | None = option(None, least=1, group="Rows", default_text="all rows", help="Use only the first N rows.")
    max_rows: int = option(MOST_ROWS, least=1, group="Rows", rare=True, help="Stop if a table has more rows than this.")
    seed: int = option(0, group="Rows", help="Seed of the random split, and of the rows that check decodes.")
    written: TableText = part(TableText)


@dataclass(frozen=True)
class FilesConfig:
    """Where the files named in cells are, and which of them are read."""

    root: str | None = option(
        None,
        group=_FILES,
        metavar="FOLDER|URL",
        default_text="the table's folder; the working folder for standard input",
        help="Folder or URL to which file paths in the table are relative.",
    )
    fix_paths: bool = option(
        False, group=_FILES, rare=True,
        help="If a file is not found, use one whose path differs only in Unicode normalisation, letter case, slashes, "
        "%20 or surrounding spaces.",
    )  # fmt: skip
    confine: bool = option(False, group=_FILES, rare=True, help="Skip files outside the --root folder.")
    max_bytes: int = option(
        2**30, least=1, group=_FILES, rare=True,
        help="Skip files larger than this many bytes, and arrays that are larger after decompression.",
    )  # fmt: skip


@dataclass(frozen=True)
class WordsConfig:
    """How texts become tokens."""

    max_tokens: int = option(256, least=1, group=_TEXT, help="Maximum number of tokens kept per text.")
    language: str = option(
        "en", group=_TEXT, metavar="CODE", help="Language code of the spaCy tokenizer, such as en or de."
    )
    spacy_model: str | None = option(
        None, group=_TEXT, metavar="NAME|FOLDER", default_text="the blank pipeline of --language",
        help="Tokenize with this spaCy pipeline instead; needed for --lemmatize and --pos.",
    )  # fmt: skip
    lower: bool = option(False, group=_TEXT, help="Convert tokens to lower case.")
    remove_stop_words: bool = option(False, group=_TEXT, help="Remove stop words.")
    lemmatize: bool = option(False, group=_TEXT, help="Replace tokens by their lemmas (needs --spacy-model).")
    pos: bool = option(
        False, group=_TEXT, help="Append the part of speech to each token, such as run_VERB (needs --spacy-model)."
    )
    min_count: int = option(
        1, least=1, group=_TEXT,
        help="Minimum number of occurrences of a token in the train rows; rarer tokens are unknown.",
    )  # fmt: skip


@dataclass(frozen=True)
class PicturesConfig:
    """How images and frames are stored."""

    image_size: int = option(224, least=1, group=_IMAGES, help="Side of stored images and frames, in pixels.")
    resize: Literal["crop", "pad", "stretch"] = option(
        "crop", group=_IMAGES,
        help="How to make images square: crop cuts off both ends of the longer side, pad adds borders of the "
        "background colour, stretch ignores the aspect ratio.",
    )  # fmt: skip
    background: str = option(
        "white", group=_IMAGES, rare=True, metavar="COLOUR",
        help="Colour behind transparent pixels and around padded images: a name or '#rrggbb'.",
    )  # fmt: skip
    max_pixels: int = option(
        178_956_970, least=1, group=_IMAGES, rare=True,
        help="Skip images with more pixels than this, and videos whose frames have more.",
    )  # fmt: skip


@dataclass(frozen=True)
class SoundsConfig:
    """How sounds are stored."""

    sample_rate: int = option(16000, least=1, group=_SOUND, help="Sample rate of stored sounds, in Hz.")
    max_seconds: float = option(10.0, least=0.001, group=_SOUND, help="Keep at most this many seconds of each sound.")
    trim: bool = option(False, group=_SOUND, help="Trim silence (more than 40 dB below the peak) from both ends.")
    high_pass: float | None = option(None, group=_SOUND, rare=True, help="Remove frequencies below this, in Hz.")
    low_pass: float | None = option(None, group=_SOUND, rare=True, help="Remove frequencies above this, in Hz.")
    normalize: Literal["none", "peak", "rms"] = option(
        "none", group=_SOUND,
        help="Normalise loudness: peak scales the largest sample to full scale, rms the root mean square to -20 dB.",
    )  # fmt: skip
    max_decode_seconds: float = option(
        600.0, least=0.001, group=_SOUND, rare=True, help="With --trim, decode at most this many seconds of a sound."
    )


@dataclass(frozen=True)
class FramesConfig:
    """Which frames of a video are stored."""

    frames: int | None = option(
        None, least=1, group=_VIDEO, default_text="8, or 64 with --fps",
        help="Frames per video, evenly spaced; with --fps, the maximum.",
    )  # fmt: skip
    fps: float | None = option(None, group=_VIDEO, help="Take this many frames per second, starting at the beginning.")
    clip_seconds: float | None = option(
        None, group=_VIDEO, help="Use only this many seconds from the start of each video."
    )
    max_decode_frames: int = option(
        10_000, least=1, group=_VIDEO, rare=True, help="Skip videos that need more than this many decoded frames."
    )


@dataclass(frozen=True)
class PreprocessConfig:
    """The options of preprocess."""

    columns: ColumnsConfig = part(ColumnsConfig)
    intake: IntakeConfig = part(IntakeConfig)
    files: FilesConfig = part(FilesConfig)
    words: WordsConfig = part(WordsConfig)
    pictures: PicturesConfig = part(PicturesConfig)
    sounds: SoundsConfig = part(SoundsConfig)
    frames: FramesConfig = part(FramesConfig)
    like: Path | None = option(
        None, group=_COLUMNS, metavar="MODEL",
        help="Preprocess new rows as for this model: same modalities, options and vocabulary.",
    )  # fmt: skip
    on_error: OnError = option(
        "keep", group=_BAD,
        help="For a bad input: keep keeps the sample without it, drop drops the sample, fail stops. Empty cells are "
        "not bad.",
    )  # fmt: skip
    max_errors: str | None = option(
        None, group=_BAD, metavar="N|P%", default_text="no limit",
        help="Stop with exit code 3 if more than N inputs, or P% of them, are bad. Empty cells do not count.",
    )  # fmt: skip
    on_leak: Literal["warn", "error"] = option(
        "warn", group=_BAD, help="What to do if the same file or row occurs in two splits."
    )
    only_failed: bool = option(
        False, group=_BAD, rare=True,
        help="Read only the inputs that failed in the existing artifact at --output.",
    )  # fmt: skip


@dataclass(frozen=True)
class CheckConfig:
    """The options of check: most of those of preprocess, and how many rows to decode."""

    preprocess: PreprocessConfig = part(PreprocessConfig, without=("on_error", "on_leak", "only_failed"))
    sample: int = option(500, least=1, group="Rows", help="Number of random rows to decode.")
    all: bool = option(False, group="Rows", help="Decode all rows.")
