"""One writing process per data directory: an operating system's lock that dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ledger.domain.errors import Busy

FILE_NAME: Final = "lock"


@contextlib.contextmanager
def only_writer(data: Path, command: str) -> Iterator[None]:
    """Hold the data directory for writing; `command` is what others are told, so never a command line.

    Raises Busy, naming the process and the command that hold it.
    """
    descriptor = os.open(data / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            raise Busy(
                f"{holder} is writing in {data}. Wait until it is done or stop it, then run the same command again."
            ) from exc
        # Who holds it is a courtesy: a full disk must not keep the lock from being held.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"`pdl {command}` (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(descriptor)
