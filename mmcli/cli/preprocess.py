"""mmcli preprocess."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mmcli.cli import options

NAME = "preprocess"
COLUMNS, SPLITS, TEXT, MEDIA, BAD = "Columns", "Splits", "Text", "Images, sound and video", "Bad inputs"
Columns = list[str]


def _column(help: str, panel: str = COLUMNS) -> Any:
    return typer.Option(help=help, show_default=False)


def command(
    source: Annotated[
        str,
        typer.Argument(
            help="A table (CSV, TSV, JSONL, Parquet), a folder class/file, or - for rows on standard input.",
            show_default=False,
        ),
    ],
    output: options.Output,
    text: Annotated[Columns, _column("Text column; COL or NAME=COL. Repeatable, like all of these.")] = [],
    image: Annotated[Columns, _column("Column of image files.")] = [],
    audio: Annotated[
        Columns,
        _column("Column of sound files; or of videos, for their sound track: --video clip --audio sound=clip."),
    ] = [],
    video: Annotated[Columns, _column("Column of video files, for their pictures.")] = [],
    numeric: Annotated[
        Columns, _column("Number column or pattern; with NAME='a_*' the columns are a modality of their own.")
    ] = [],
    categorical: Annotated[Columns, _column("Column of categories, or a pattern.")] = [],
    tensor: Annotated[
        Columns,
        _column("Column of .npy, .npz, .safetensors or .pt files, or NAME=array.npy with a row a sample."),
    ] = [],
    lengths: Annotated[
        Columns,
        _column("NAME=COLUMN, or a file: how many steps of each row's sequence are its own; the rest is padding."),
    ] = [],
    pad_value: Annotated[
        Columns, _column("NAME=NUMBER: steps of this number alone, at the end of a sequence, are padding.")
    ] = [],
    target: Annotated[Columns, _column("What is to be predicted; several are predicted together. Repeatable.")] = [],
    empty_target: Annotated[
        Literal["error", "drop", "none"],
        typer.Option(
            help="Train and val rows without a target: an error, left out, or rows with none of the labels, for the "
            "task multilabel."
        ),
    ] = "error",
    id: Annotated[str | None, _column("Names each sample; by default the column id, or the row's number.")] = None,
    root: options.Root = None,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    quoting: options.Quoting = "auto",
    header: options.Header = [],
    sheet: options.Sheet = None,
    fix_paths: Annotated[
        bool,
        typer.Option(
            "--fix-paths",
            help="Where a file is not found, take the one whose path differs in Unicode form, letter case, slashes, "
            "%20 or spaces around it alone.",
        ),
    ] = False,
    confine: Annotated[bool, typer.Option("--confine", help="Skip media that lie outside the root.")] = False,
    like: Annotated[Path | None, _column("A model: its modalities, options and fitted state, for new rows.")] = None,
    split: Annotated[str | None, _column("Column with train, val, test; by default split.", SPLITS)] = None,
    split_ratio: Annotated[
        str | None, _column("Make splits: shares of train, val, test, as 0.8,0.1,0.1.", SPLITS)
    ] = None,
    stratify: Annotated[str | None, _column("Column whose values keep their shares in every split.", SPLITS)] = None,
    group_by: Annotated[str | None, _column("Column whose equal values stay in one split.", SPLITS)] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens kept of a text.")] = 256,
    language: Annotated[str, typer.Option(help="Of the tokenizer.")] = "en",
    spacy_model: Annotated[
        str | None, _column("A spaCy pipeline by name or folder, for lemmas and such.", TEXT)
    ] = None,
    lower: Annotated[bool, typer.Option("--lower", help="Lower-case tokens.")] = False,
    remove_stop_words: Annotated[bool, typer.Option("--remove-stop-words", help="Leave stop words out.")] = False,
    lemmatize: Annotated[bool, typer.Option("--lemmatize", help="Tokens to lemmas; needs --spacy-model.")] = False,
    pos: Annotated[bool, typer.Option("--pos", help="Tokens as word_NOUN; needs --spacy-model.")] = False,
    min_count: Annotated[int, typer.Option(min=1, help="Rarer tokens of the train rows are unknown.")] = 1,
    image_size: Annotated[int, typer.Option(min=1, help="Pixels a side, of images and frames.")] = 224,
    resize: Annotated[Literal["crop", "pad", "stretch"], typer.Option(help="How to make it square.")] = "crop",
    background: Annotated[str, typer.Option(help="Colour behind transparency.")] = "white",
    max_pixels: Annotated[int, typer.Option(min=1, help="Larger images and videos are skipped.")] = 178_956_970,
    max_bytes: Annotated[int, typer.Option(min=1, help="Larger files, and arrays once unpacked, are skipped.")] = 2**30,
    sample_rate: Annotated[int, typer.Option(min=1, help="Hz.")] = 16000,
    max_seconds: Annotated[float, typer.Option(min=0.001, help="Sound is cut off after.")] = 10.0,
    max_decode_seconds: Annotated[
        float, typer.Option(min=0.001, help="Of a sound, no more is decoded for --trim.")
    ] = 600.0,
    trim: Annotated[bool, typer.Option("--trim", help="Cut silence off both ends.")] = False,
    high_pass: Annotated[float | None, _column("Remove sound below, in Hz.", MEDIA)] = None,
    low_pass: Annotated[float | None, _column("Remove sound above, in Hz.", MEDIA)] = None,
    normalize: Annotated[Literal["none", "peak", "rms"], typer.Option(help="Loudness of sounds.")] = "none",
    frames: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Frames of a video, at even times; with --fps, the most. By default 8, with --fps 64.",
            show_default=False,
        ),
    ] = None,
    fps: Annotated[float | None, _column("Frames a second of a video instead, from its start.", MEDIA)] = None,
    clip_seconds: Annotated[float | None, _column("Of a video, only the first so many seconds.", MEDIA)] = None,
    max_decode_frames: Annotated[
        int,
        typer.Option(min=1, help="Videos that need more frames decoded are skipped."),
    ] = 10_000,
    on_error: Annotated[
        Literal["keep", "drop", "fail"],
        typer.Option(help="A bad input: keep the sample without it, drop the sample, or fail."),
    ] = "keep",
    max_errors: Annotated[str | None, _column("More bad inputs than N, or P%, is exit code 3.", BAD)] = None,
    on_leak: Annotated[Literal["warn", "error"], typer.Option(help="The same content in two splits.")] = "warn",
    only_failed: Annotated[
        bool,
        typer.Option("--only-failed", help="Try again only what -o has as not ok; other files are not read."),
    ] = False,
    limit: options.Limit = None,
    max_rows: Annotated[int, typer.Option(min=1, help="A table with more rows is refused.")] = 100_000_000,
    jobs: options.Jobs = None,
    seed: options.Seed = 0,
    fresh: options.Fresh = False,
    config: options.Config = None,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Read a table and its files; validate, split, decode and tokenise them.

    Kinds are inferred where no column is named. Every input ends as ok, missing, corrupt or skipped, with the
    reason in the ledger. Run again, it redoes only what changed.
    """
    del config, debug
    from mmcli.console import Console
    from mmcli.console.results import show_stage
    from mmcli.stages.preprocess import preprocess

    summary = preprocess(
        source, output, text=text, image=image, audio=audio, video=video, numeric=numeric, categorical=categorical,
        tensor=tensor, lengths=lengths, pad_value=pad_value,
        target=target, empty_target=empty_target, id=id, root=root, confine=confine, like=like,
        split=split, split_ratio=split_ratio, stratify=stratify, group_by=group_by,
        max_tokens=max_tokens, language=language, spacy_model=spacy_model,
        lower=lower, remove_stop_words=remove_stop_words, lemmatize=lemmatize, pos=pos, min_count=min_count,
        image_size=image_size, resize=resize, background=background, max_pixels=max_pixels, sample_rate=sample_rate,
        max_bytes=max_bytes, max_seconds=max_seconds, max_decode_seconds=max_decode_seconds, trim=trim,
        high_pass=high_pass, low_pass=low_pass, normalize=normalize,
        frames=frames, fps=fps, clip_seconds=clip_seconds, max_decode_frames=max_decode_frames,
        on_error=on_error, max_errors=max_errors, on_leak=on_leak, only_failed=only_failed, limit=limit,
        max_rows=max_rows, encoding=encoding, delimiter=delimiter, quoting=quoting,
        header=header, sheet=sheet, fix_paths=fix_paths,
        jobs=jobs, seed=seed, fresh=fresh, reporter=Console(quiet),
    )  # fmt: skip
    show_stage(summary, json)
