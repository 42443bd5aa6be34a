"""Files that are either whole or absent, whatever instant the process is killed at."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from posenas.contract.errors import PosenasError


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, a forbidden folder and the like into one line for the user.

    Raises:
        PosenasError: for any OSError within; the message names the path.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise PosenasError(
                f"{path}: the disk is full; nothing written before is lost: "
                "free some space, then `posenas resume`"
            ) from error
        raise PosenasError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the target, flush to disk, then rename over it.

    Raises:
        PosenasError: if the file cannot be written.
    """
    temporary = partial(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)


@contextlib.contextmanager
def kept_directory() -> Iterator[None]:
    """Go back to the working directory after the body, whatever the body does."""
    here = os.open(os.curdir, getattr(os, "O_PATH", os.O_RDONLY))  # O_PATH also where it cannot be listed
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)


def partial(path: Path) -> Path:
    """Return the file that the target's content is written to first."""
    return path.parent / (path.name + ".partial")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def content_name(content: bytes) -> str:
    """Return sixteen hexadecimal digits that name this content."""
    return hashlib.sha256(content).hexdigest()[:16]


def is_file(path: Path) -> bool:
    """Return whether there is such a file.

    A name that no file can have, such as one of 5,000 letters, gives False.
    """
    try:
        return path.is_file()
    except OSError:
        return False
