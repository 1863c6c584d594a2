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
OnError = Literal["keep", "drop", "fail"]


@dataclass(frozen=True)
class ColumnsConfig:
    """The columns of each modality; without any of these options, kinds are inferred from the table."""

    text: Sequence[str] = option(
        (), group=_COLUMNS,
        help="Text column: COL, or NAME=COL to name the modality. Repeatable, as are --image to --pad-value.",
    )  # fmt: skip
    image: Sequence[str] = option((), group=_COLUMNS, help="Column with paths of image files.")
    audio: Sequence[str] = option(
        (), group=_COLUMNS,
        help="Column with paths of sound files, or of videos for their sound track: --video clip --audio sound=clip.",
    )  # fmt: skip
    video: Sequence[str] = option((), group=_COLUMNS, help="Column with paths of video files, for their frames.")
    numeric: Sequence[str] = option(
        (), group=_COLUMNS,
        help="Column of numbers, or a pattern. With NAME='a_*', the matching columns form a modality of their own.",
    )  # fmt: skip
    categorical: Sequence[str] = option((), group=_COLUMNS, help="Column of categories, or a pattern.")
    tensor: Sequence[str] = option(
        (), group=_COLUMNS,
        help="Column with paths of .npy, .npz, .safetensors or .pt files, or NAME=array.npy with one row per sample.",
    )  # fmt: skip
    lengths: Sequence[str] = option(
        (), group=_COLUMNS, rare=True,
        help="NAME=COLUMN or NAME=FILE with the length of each row's sequence; later steps are padding.",
    )  # fmt: skip
    pad_value: Sequence[str] = option(
        (), group=_COLUMNS, rare=True, help="NAME=NUMBER: trailing steps that contain only this number are padding."
    )


@dataclass(frozen=True)
class IntakeConfig:
    """How a table is read into rows with ids, splits and targets."""

    target: Sequence[str] = option(
        (), group=_COLUMNS, help="Column to predict. Repeatable: several targets are learned together."
    )
    empty_target: EmptyTarget = option(
        "error", group=_BAD,
        help="Treat a train or val row without a target as an error, drop it, or (none, multilabel only) read it as a "
        "row without labels.",
    )  # fmt: skip
    id: str | None = option(
        None,
        group=_COLUMNS,
        default_text="the column id, or row numbers",
        help="Column with a unique id for each sample.",
    )
    split: str | None = option(
        None,
        group=_SPLITS,
        default_text="the column split, if there is one",
        help="Column that assigns each row to train, val or test.",
    )
    split_ratio: str | None = option(
        None, group=_SPLITS, help="Split the rows into these fractions of train, val and test, such as 0.8,0.1,0.1."
    )
    stratify: str | None = option(
        None, group=_SPLITS, help="Column whose values occur in the same proportions in every split."
    )
    group_by: str | None = option(
        None, group=_SPLITS, help="Column of groups; rows with the same value stay in one split."
    )
    limit: int | None = option(None, least=1, group="Rows", help="Use only the first N rows.")
    max_rows: int = option(MOST_ROWS, least=1, group="Rows", rare=True, help="Fail if a table has more rows than this.")
    seed: int = option(0, group="Rows", help="Random seed.")
    written: TableText = part(TableText)


@dataclass(frozen=True)
class FilesConfig:
    """Where the files named in cells are, and which of them are read."""

    root: str | None = option(
        None,
        group=_FILES,
        default_text="the table's folder",
        help="Folder or URL to which file paths in the table are relative.",
    )
    fix_paths: bool = option(
        False, group=_FILES, rare=True,
        help="If a file is not found, use one whose path differs only in Unicode normalization, letter case, slashes, "
        "%20 or surrounding spaces.",
    )  # fmt: skip
    confine: bool = option(False, group=_FILES, rare=True, help="Skip files outside the --root folder.")
    max_bytes: int = option(
        2**30, least=1, group=_FILES, rare=True, help="Skip files, and unpacked arrays, of more bytes than this."
    )


@dataclass(frozen=True)
class WordsConfig:
    """How texts become tokens."""

    max_tokens: int = option(256, least=1, group=_TEXT, help="Maximum number of tokens kept per text.")
    language: str = option("en", group=_TEXT, help="Language of the tokenizer.")
    spacy_model: str | None = option(
        None, group=_TEXT, help="Name or folder of a spaCy pipeline, for lemmas and parts of speech."
    )
    lower: bool = option(False, group=_TEXT, help="Convert tokens to lower case.")
    remove_stop_words: bool = option(False, group=_TEXT, help="Remove stop words.")
    lemmatize: bool = option(False, group=_TEXT, help="Replace tokens by their lemmas (needs --spacy-model).")
    pos: bool = option(False, group=_TEXT, help="Add parts of speech to tokens: word_NOUN (needs --spacy-model).")
    min_count: int = option(
        1, least=1, group=_TEXT, help="Treat tokens that occur less often than this in the train rows as unknown."
    )


@dataclass(frozen=True)
class PicturesConfig:
    """How images and frames are stored."""

    image_size: int = option(224, least=1, group=_IMAGES, help="Side of stored images and frames, in pixels.")
    resize: Literal["crop", "pad", "stretch"] = option("crop", group=_IMAGES, help="How to make images square.")
    background: str = option("white", group=_IMAGES, rare=True, help="Background colour for transparent pixels.")
    max_pixels: int = option(
        178_956_970, least=1, group=_IMAGES, rare=True, help="Skip images and videos with more pixels than this."
    )


@dataclass(frozen=True)
class SoundsConfig:
    """How sounds are stored."""

    sample_rate: int = option(16000, least=1, group=_SOUND, help="Sample rate of stored sounds, in Hz.")
    max_seconds: float = option(10.0, least=0.001, group=_SOUND, help="Keep at most this many seconds of each sound.")
    trim: bool = option(False, group=_SOUND, help="Trim silence from both ends.")
    high_pass: float | None = option(None, group=_SOUND, rare=True, help="Remove frequencies below this, in Hz.")
    low_pass: float | None = option(None, group=_SOUND, rare=True, help="Remove frequencies above this, in Hz.")
    normalize: Literal["none", "peak", "rms"] = option("none", group=_SOUND, help="How to normalize loudness.")
    max_decode_seconds: float = option(
        600.0, least=0.001, group=_SOUND, rare=True, help="With --trim, decode at most this many seconds of a sound."
    )


@dataclass(frozen=True)
class FramesConfig:
    """Which frames of a video are stored."""

    frames: int | None = option(
        None, least=1, group=_VIDEO, default_text="8, or 64 with --fps",
        help="Number of evenly spaced frames; with --fps, the maximum number of frames.",
    )  # fmt: skip
    fps: float | None = option(None, group=_VIDEO, help="Take this many frames per second, starting at the beginning.")
    clip_seconds: float | None = option(
        None, group=_VIDEO, help="Use only this many seconds from the start of each video."
    )
    max_decode_frames: int = option(
        10_000, least=1, group=_VIDEO, rare=True, help="Skip videos for which more frames than this must be decoded."
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
        None, group=_COLUMNS, rare=True,
        help="Model folder: prepare new rows with the modalities, options and fitted state of this model.",
    )  # fmt: skip
    on_error: OnError = option(
        "keep", group=_BAD, help="What to do with a bad input: keep the sample without it, drop the sample, or fail."
    )
    max_errors: str | None = option(
        None, group=_BAD, help="Fail with exit code 3 if more than this many inputs (N or P%) are bad."
    )
    on_leak: Literal["warn", "error"] = option(
        "warn", group=_BAD, help="What to do if the same content occurs in two splits."
    )
    only_failed: bool = option(
        False, group=_BAD, rare=True,
        help="Retry only the inputs that are not ok in the artifact at --output, without reading other files.",
    )  # fmt: skip


@dataclass(frozen=True)
class CheckConfig:
    """The options of check: those of preprocess, and how many rows to try."""

    preprocess: PreprocessConfig = part(PreprocessConfig, without=("on_error", "on_leak", "only_failed"))
    sample: int = option(500, least=1, group="Rows", help="Number of randomly chosen rows whose inputs are decoded.")
    all: bool = option(False, group="Rows", help="Decode the inputs of all rows.")
