"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: str | os.PathLike, force: bool = True) -> Iterator[BinaryIO]:
    """Open `path` for writing (binary, seekable); it appears under its name only when complete.

    The bytes go to a temporary file in the same folder, which takes the name `path` when the
    block ends well and is removed when anything is raised. A link is followed. A pipe or device
    (/dev/stdout, a FIFO) is written directly, and may not be seekable.

    Raises FileExistsError when the file is there and not `force`; OSError when it cannot be
    written, for instance because its folder is missing.
    """
    # Never renamed over: that would put a plain file in the place of a device.
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        with open(path, "wb") as stream:
            yield stream
        return
    target = Path(os.path.realpath(path))
    _check_target(target, force)
    temporary = target.with_name(f".vqaudio-{secrets.token_hex(8)}.tmp")
    # Not tempfile: its files are private to the user, ours follow the umask like any other.
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with open(descriptor, "w+b") as stream:
            yield stream
        _check_target(target, force)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _check_target(target: Path, force: bool) -> None:
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder", str(target))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "its folder does not exist", str(target))
    if target.exists() and not force:
        raise FileExistsError(errno.EEXIST, "exists already", str(target))
