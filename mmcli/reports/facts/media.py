"""Reads a raw row as a person sees it: small pictures, sheets of frames, encoded sounds, texts and table cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np

from mmcli.chain.transforms.preprocess import make_preprocessor
from mmcli.errors import MmcliError, UnusableError
from mmcli.inference.model import TrainedModel
from mmcli.modalities import Media, Preprocessor
from mmcli.store.cells import cell_text
from mmcli.store.columns import Array, Row

_SIDE, _FRAME, _FRAMES, _STRIPS = 192, 112, 6, 2
_SECONDS = 8.0
_BARS = 48
_LONGEST = 600
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_QUALITY = 80


@dataclass(frozen=True)
class Medium:
    """An encoded picture or sound.

    Args:
        content: The bytes of the file.
        suffix: Its suffix, such as ``.webp``.
        facts: ``width`` and ``height``, or ``seconds`` and ``bars``, the loudness of equal parts from 0 to 1.
    """

    content: bytes
    suffix: str
    facts: Mapping[str, Any]


@dataclass
class SeenRow:
    """What a row holds, by modality."""

    media: dict[str, Medium] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)


class RowReader:
    """Reads rows by a model's own readers, at the size of a page; what cannot be read is left out.

    Args:
        model: Defines which columns form which modality, and how they are read.
        media: Reads the files that cells name; None reads none.
    """

    def __init__(self, model: TrainedModel, media: Media | None) -> None:
        self._readers: dict[str, tuple[str, Preprocessor, Media | None]] = {}
        for record in model.artifact.chain:
            if record.stage != "preprocess":
                continue
            limited = media and media.limited(
                record.config.get("max_bytes", media.max_bytes), record.config.get("fix_paths", False)
            )
            for name, part in record.config["modalities"].items():
                if name in model.sources:
                    reader = make_preprocessor(part["kind"], _for_page(part["kind"], part["config"]))
                    self._readers[name] = (part["kind"], reader, limited)

    def read(self, row: Row) -> SeenRow:
        """Return what a raw row holds."""
        seen = SeenRow()
        for name, (kind, reader, media) in self._readers.items():
            seen.kinds[name] = kind
            try:
                self._add(seen, name, kind, reader, media, row)
            except (MmcliError, UnusableError):
                continue  # the ledger has the reason
        return seen

    def _add(
        self, seen: SeenRow, name: str, kind: str, reader: Preprocessor, media: Media | None, row: Row
    ) -> None:  # fmt: skip
        if kind == "text":
            text = cell_text(row.get(reader.columns[0]), reader.columns[0])
            if text is not None:
                seen.texts[name] = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
        elif kind == "table":
            cells = {column: row.get(column) for column in reader.columns}
            seen.tables[name] = {column: _cell(cell) for column, cell in cells.items()}
        elif kind in _ENCODERS and media is not None:
            content = reader.content(row, media)
            if content is not None:
                seen.media[name] = _ENCODERS[kind](reader.decode(content)[""], reader.facts())


def _cell(cell: Any) -> str:
    text = "" if cell is None or cell != cell else str(cell)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _for_page(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a reader's options with the size of a page: what the model sees or hears, framed as it sees it."""
    if kind == "image":
        return {**config, "size": _SIDE}
    if kind == "video":
        return {**config, "size": _FRAME, "frames": _FRAMES, "fps": None}
    if kind == "audio":
        return {**config, "max_seconds": min(_SECONDS, config.get("max_seconds", _SECONDS))}
    return dict(config)


def _picture(pixels: Array, facts: Mapping[str, Any]) -> Medium:
    """Encode an image, (3, H, W) uint8, as WebP."""
    del facts
    from PIL import Image

    written = BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image.save(written, "WEBP", quality=_QUALITY, method=4)
    return Medium(written.getvalue(), ".webp", {"width": image.width, "height": image.height})


def _sheet(frames: Array, facts: Mapping[str, Any]) -> Medium:
    """Encode frames, (T, 3, H, W) uint8, in two rows, first to last, as one WebP."""
    count, channels, height, width = frames.shape
    columns = -(-count // _STRIPS)
    filled = np.concatenate([frames, np.full((columns * _STRIPS - count, *frames.shape[1:]), 255, np.uint8)])
    sheet = filled.reshape(_STRIPS, columns, channels, height, width).transpose(2, 0, 3, 1, 4)
    return _picture(sheet.reshape(channels, _STRIPS * height, columns * width), facts)


def _sound(samples: Array, facts: Mapping[str, Any]) -> Medium:
    """Encode a waveform, (S,) int16, as MP3; as WAV at a sample rate that MP3 lacks."""
    import soundfile

    rate = int(facts["sample_rate"])
    form = "MP3" if rate in _MP3_RATES and "MP3" in soundfile.available_formats() else "WAV"
    written = BytesIO()
    soundfile.write(written, samples, rate, format=form)
    parts = np.array_split(np.abs(samples.astype(np.float64)), min(_BARS, len(samples)))
    loudness = np.array([part.max() for part in parts])
    bars = (loudness / max(loudness.max(), 1.0)).round(2) + 0.0
    return Medium(
        written.getvalue(), f".{form.lower()}", {"seconds": round(len(samples) / rate, 2), "bars": bars.tolist()}
    )


_ENCODERS = {"image": _picture, "video": _sheet, "audio": _sound}
