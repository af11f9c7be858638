"""Pages of the log in order; a long stretch is read and decoded by helper processes beside the one that folds it.

Reading and decoding cost more than folding, and pages do not depend on each other: a rebuild uses the other
cores for them. A helper is a fork that opens its own connection to the log, sends pages through a pipe
(which makes it wait when it is ahead) and ends. One that ends early costs time only: its pages are read here.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import IO, Final, NamedTuple

from projections.page import Bound, Page, Plain
from projections.register import Log, Reader

LONG: Final = 20_000
"""From how many records on helpers are worth their start."""
_AT_ONCE: Final = 250
"""How many records are fetched at once: what was read is still in the processor's cache when it is decoded."""
_BUSY: Final = 1.5
"""From how many processes that want a core, for each core, on there is none to spare."""
_length: Final = struct.Struct(">Q")


def pages(log: Log, after: int, upto: int, size: int, bound: Bound | None = None, helpers: int = 0) -> Generator[Page]:
    """The pages behind `after`, up to position `upto`, of `size` records each; close it to let the helpers go."""
    starts = range(after, upto, size)
    staff = [_start(log, starts[number::helpers], upto, size, bound) for number in range(helpers)]
    try:
        for number, start in enumerate(starts):
            sent = None if not staff else staff[number % helpers].receive()
            yield page(log, start, min(start + size, upto), bound) if sent is None else Page.unpacked(start, sent)
    finally:
        for helper in staff:
            helper.end()


def page(log: Reader, after: int, upto: int, bound: Bound | None = None) -> Page:
    """One page, read here."""
    return Page(after, _records(log, after, upto), bound)


def helpers_for(log: Log, records: int) -> int:
    """How many helpers a stretch is worth: none where it is short, where no core is free, or where threads run."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    # A fork takes only its own thread along; whatever lock another one held would stay locked in it.
    alone = hasattr(os, "fork") and threading.active_count() == 1
    if records < LONG or cores == 1 or not alone or not log.shareable:
        return 0
    # Where everyone waits for a core, helpers wait too, and sending pages only adds to it.
    return 0 if os.getloadavg()[0] > _BUSY * cores else min(cores, 4)


def _records(log: Reader, after: int, upto: int) -> Iterator[Plain]:
    while after < upto:
        found = log.plain(after, min(_AT_ONCE, upto - after))
        if not found:
            return
        yield from found
        after = found[-1][0]


class _Helper(NamedTuple):
    """A process that reads some of the pages, and the end of the pipe at which they arrive."""

    process: int
    pipe: IO[bytes]

    def receive(self) -> bytes | None:
        """Its next page; None when it has ended."""
        head = self.pipe.read(_length.size)
        if len(head) < _length.size:
            return None
        (length,) = _length.unpack(head)
        sent = self.pipe.read(length)
        return sent if len(sent) == length else None

    def end(self) -> None:
        """Let it go: it ends at its next page, when nobody reads any more."""
        self.pipe.close()
        with suppress(ChildProcessError):
            os.waitpid(self.process, 0)


def _start(log: Log, starts: range, upto: int, size: int, bound: Bound | None) -> _Helper:
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return _Helper(process, os.fdopen(reading, "rb"))
    # From here on this is the helper. It leaves by _exit, so that nothing of its parent's is closed or flushed twice.
    with suppress(BaseException):
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            own = log.reader()
            for start in starts:
                made = page(own, start, min(start + size, upto), bound).packed()
                pipe.write(_length.pack(len(made)) + made)
                pipe.flush()
    os._exit(0)
