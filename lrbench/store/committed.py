"""What git's last commit says of files of evidence: asked at most twice, however many there are."""

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lrbench.store.arms import ARMS
from lrbench.store.rows import ROWS


class Commit:
    """The files of evidence under a folder as they stand in HEAD, by their paths in the work tree."""

    def __init__(self, folder: Path) -> None:
        """Outside a work tree, before the first commit and without git nothing is committed."""
        listed = _git(folder, "ls-tree", "-r", "-z", "HEAD")
        entries = (
            line.partition("\t") for line in (listed or b"").decode(errors="surrogateescape").split("\0") if line
        )
        self._folder = folder
        self._blobs = {folder / path: head.split()[2] for head, _, path in entries if Path(path).name in (ROWS, ARMS)}

    def has(self, path: Path, content: bytes | None) -> bool:
        """Whether a file stands in it with just this content."""
        return content is not None and self._blobs.get(path) == _blob(content)

    def paths(self) -> Sequence[Path]:
        """The rows' files that it has."""
        return [path for path in self._blobs if path.name == ROWS]

    def contents(self, paths: Sequence[Path]) -> Mapping[Path, bytes]:
        """The content of files in it."""
        known = [path for path in paths if path in self._blobs]
        if not known:
            return {}
        asked = "".join(f"{self._blobs[path]}\n" for path in known).encode()
        answer, found = _git(self._folder, "cat-file", "--batch", given=asked) or b"", {}
        for path in known:
            head, _, answer = answer.partition(b"\n")
            size = int(head.split()[2])
            found[path], answer = answer[:size], answer[size + 1 :]
        return found


def _blob(content: bytes) -> str:
    """The name that git gives a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _git(folder: Path, *words: str, given: bytes | None = None) -> bytes | None:
    """What git answers; None where it does not."""
    try:
        return subprocess.run(["git", "-C", str(folder), *words], input=given, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
