"""What comes after the end of a file is no harm; what is missing before it is found wherever the file is cut."""

import struct

import pytest

from mmcli.modalities.containers import is_cut_container
from tests.forms.clips import film, plain

WHOLE = {
    "MP4": film,
    "MP4, index in front": lambda: film(layout={"movflags": "faststart"}),
    "GIF": lambda: film(plain(10), "gif", "gif", "rgb8"),
    "APNG": lambda: film(plain(10), "apng", "apng", "rgb24"),
    "AVI": lambda: film(container="avi", codec="mjpeg", pixels="yuvj420p"),
}
TAILS = {
    "ID3v1": b"TAG" + b"Song of joy".ljust(30, b"\0") + bytes(95),
    "padding": bytes(100),
    "a few bytes": b"bye",
    "text": b"sent by a phone, with love and kisses",
    "ones": b"\xff" * 300,
    "an unfinished box that holds no media": struct.pack(">I4s", 500, b"free") + b"x",
    "a whole box of one's own": struct.pack(">I4s", 12, b"uuid") + b"abcd",
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("name", WHOLE)
def test_bytes_after_the_end_are_no_harm(name, tail):
    content = WHOLE[name]()
    assert not is_cut_container(content)
    assert not is_cut_container(content + TAILS[tail])


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "AVI"])
def test_a_cut_is_found_wherever_it_is(name):
    content = WHOLE[name]()
    unfound = [length for length in range(12, len(content)) if not is_cut_container(content[:length])]
    assert unfound == list(range(len(content) - 4, len(content)))[: len(unfound)]  # but for a checksum at the end
    assert len(unfound) <= 4


def test_a_fragment_without_its_media_is_cut():
    content = film(gop=4, layout={"movflags": "frag_keyframe+empty_moov"})
    media = content.rindex(b"mdat") - 4
    assert not is_cut_container(content)
    assert is_cut_container(content[:media])
    assert is_cut_container(content[: media + 20])
