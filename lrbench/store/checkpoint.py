"""A checkpoint on disk: torch's archive, with a comment that says whose it is and ends in the SHA-256 of all before it.

Any torch reads it (`torch.load(path)`), but checks no sum of its own: here nothing is handed on before the hash agrees.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lrbench.store.files import Damaged, sha256

END = b"PK\x05\x06"  # begins the end of a zip archive: 22 bytes, of which the last two are the comment's length
SUM = b"sha256:"  # begins the comment's last part
LENGTH = len(SUM) + 64


def close(archive: io.BytesIO, about: Mapping[str, Any]) -> memoryview:
    """The archive's bytes with its comment, `about` as JSON and the hash."""
    text = json.dumps(about, separators=(",", ":")).encode()
    with archive.getbuffer() as view:
        assert (view[-22:-18], view[-2:]) == (END, b"\0\0")
        view[-2:] = (len(text) + LENGTH).to_bytes(2, "little")
    archive.seek(0, io.SEEK_END)
    archive.write(text)
    with archive.getbuffer() as view:
        found = sha256(view)
    archive.write(SUM + found.encode())
    return archive.getbuffer()


def open_checked(path: Path) -> tuple[bytes, dict[str, Any]]:
    """A checkpoint's bytes, and what it says of itself: its run's id, its update, what the log held. Of one that was
    saved before there was a hash nothing, and the archive's own CRCs are checked.

    Raises OSError, and Damaged where what is there is not what was saved.
    """
    content = path.read_bytes()
    if content[-LENGTH : len(SUM) - LENGTH] == SUM:
        with memoryview(content) as view:
            if sha256(view[:-LENGTH]).encode() != content[len(SUM) - LENGTH :]:
                raise Damaged("its content does not agree with its SHA-256")
        end = content.rindex(END, 0, len(content) - LENGTH)
        about: dict[str, Any] = json.loads(content[end + 22 : -LENGTH])
        return content, about
    if content[-22:-18] == END and content[-2:] == b"\0\0":
        _require_sums(content)
        return content, {}
    raise Damaged("it does not end as a checkpoint does")


def _require_sums(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            bad = archive.testzip()
    except Exception as error:  # whatever zipfile makes of a damaged archive
        raise Damaged(f"its archive cannot be read ({type(error).__name__})") from error
    if bad is not None:
        raise Damaged(f"{bad} in it does not agree with its CRC")
