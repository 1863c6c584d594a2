"""COCO's captions: one JSON object of images and annotations, a row for each caption."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mmcli.errors import MmcliError
from mmcli.store.columns import Row

_LARGEST = 2**30
_LONGEST_LINE = 64_000_000
_BLANK = b"\xef\xbb\xbf \t\r\n"
COLUMNS = ["id", "image", "caption", "image_id"]
NOTE = "a row for each caption; --group-by image_id keeps those of a picture together"


def is_coco(path: Path) -> bool:
    """Tell whether a JSON file is one object of lists, images or annotations among them, and not an object a line."""
    with path.open("rb") as file:
        if not file.read(4096).lstrip(_BLANK).startswith(b"{"):
            return False
        file.seek(0)
        line = _next_line(file)
        try:
            first = json.loads(line) if line.endswith(b"}") else None
        except (ValueError, RecursionError):
            first = None
        if not isinstance(first, dict):  # over several lines, or longer than a row can be
            file.seek(0)
            return _names_both(file)
        alone = not _next_line(file)
    values = [value for key, value in first.items() if key not in ("type", "info")]
    return alone and bool({"images", "annotations"} & first.keys()) and all(isinstance(v, dict | list) for v in values)


def _next_line(file: BinaryIO) -> bytes:
    """Return the next line that is not blank, without white space around it; no more of it than a row can have."""
    while line := file.readline(_LONGEST_LINE):
        if line := line.strip(_BLANK):
            return line
    return b""


def _names_both(file: BinaryIO) -> bool:
    """Tell whether COCO's two names stand anywhere in a file."""
    left = {b'"images"', b'"annotations"'}
    before = b""
    while left and (part := file.read(2**20)):
        left = {name for name in left if name not in before + part}
        before = part[-16:]
    return not left


def read_coco(path: Path) -> tuple[int, Iterator[tuple[str, Row]]]:
    """Return how many captions there are, and a row for each: id, image, caption and image_id.

    Raises:
        MmcliError: The file is damaged, or holds annotations of another kind.
    """
    if path.stat().st_size > _LARGEST:
        raise MmcliError(f"{path}: larger than {_LARGEST:,} bytes; split it")
    try:
        whole: Any = json.loads(path.read_bytes())
        names = _file_names(path, whole["images"])
        annotations = whole["annotations"]
        captions = [{"image_id": None, **each} for each in annotations if "caption" in each]
        known = [each["image_id"] in names for each in captions]
        if not captions:
            boxes = any("bbox" in each for each in annotations[:10])
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise MmcliError(f"{path}: not COCO's captions ({type(error).__name__}: {str(error)[:80]})") from None
    if not captions:
        kinds = "boxes or segments" if boxes else "nothing that is known"
        raise MmcliError(f"{path}: COCO annotations of {kinds}, expected captions; list the files in a table")
    return len(captions), _rows(path, names, captions, known)


def _file_names(path: Path, images: list[dict[str, Any]]) -> dict[Any, str]:
    """Return the file of each image by its id."""
    names: dict[Any, str] = {}
    for image in images:
        own = names.setdefault(image["id"], str(image["file_name"]))
        if own != str(image["file_name"]):
            raise MmcliError(
                f"{path}: two images have the id {image['id']!r}, {own} and {image['file_name']}; give each its own"
            )
    return names


def _rows(
    path: Path, names: dict[Any, str], captions: list[dict[str, Any]], known: list[bool]
) -> Iterator[tuple[str, Row]]:
    for number, (each, is_known) in enumerate(zip(captions, known, strict=True), 1):
        where = f"{path}, caption {number}"
        if not is_known:
            raise MmcliError(f"{where}: of the image {each['image_id']!r}, which is not among the images")
        identity = each.get("id", number)
        yield (
            where,
            {
                "id": str(identity), "image": names[each["image_id"]], "caption": str(each["caption"]),
                "image_id": str(each["image_id"]),
            },
        )  # fmt: skip
