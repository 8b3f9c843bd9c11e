"""Whether a results folder can keep two processes from writing one run: that takes locks that all machines see."""

import errno
import fcntl
import re
import tempfile
from pathlib import Path

from lrbench.errors import ConfigError
from lrbench.store.store import Store

NONE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
# Options of a mount by which locks hold within one machine only: of NFS, and of Lustre.
LOCAL = ("nolock", "local_lock=all", "local_lock=posix", "localflock")


def check_locks(results: Path) -> str | None:
    """What is doubtful about the locks of a file system, in a sentence; None if nothing is.

    Raises ConfigError where there are none, or where nothing can be written.
    """
    folder = Store(results).folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile("w", dir=folder) as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NONE:
            raise ConfigError(
                "results",
                results,
                f"this file system keeps no locks ({error.strerror}), so two processes could write one run at the same "
                "time",
                "give a folder on another one with results=FOLDER or $LRBENCH_RESULTS (often $HOME or a project "
                "space), or ask for the mount option `flock` (Lustre) or a lock daemon (NFS)",
            ) from error
        cure = "give another folder with results=FOLDER or $LRBENCH_RESULTS"
        raise ConfigError("results", results, f"cannot be written ({error.strerror})", cure) from error
    mounts = Path("/proc/self/mounts")
    option = local_lock(str(results.absolute()), mounts.read_text()) if mounts.exists() else None
    return option and (
        f"results={results}: the locks of this file system hold within one machine only (mount option {option}). A run "
        "that two machines start in the same moment (after a node failed, say) could be written by both."
    )


def local_lock(path: str, mounts: str) -> str | None:
    """The mount option that keeps the locks of the file system under `path` to one machine; None without one.

    mounts: lines of `device folder type options 0 0`, as in /proc/self/mounts.
    """
    best, found = "", None
    for line in mounts.splitlines():
        _, where, _, options, *_ = line.split(" ")
        folder = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), where)  # a space is written \040
        if Path(path).is_relative_to(folder) and len(folder) >= len(best):
            best, found = folder, next((o for o in options.split(",") if o in LOCAL), None)
    return found
