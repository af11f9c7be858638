"""Files of events into the ledger: one JSON event a line, each line once, however often the file is offered.

The stream of a file is named by its content, so that the same file continues where it stopped, under
whatever name; a line's offset is its index. Lines over the limit are cut off while reading and quarantined.
"""

from __future__ import annotations

import hashlib
import secrets
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

from consumers.settings import Settings
from ledger.domain.envelope import BODY_BYTES_MAX
from ledger.domain.errors import BatchAlreadyRecorded, Unreadable
from ledger.service import Input, Receipt

STDIN: Final = "-"
_CHUNK_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 4096
_MAGIC: Final = (
    (b"\x1f\x8b", "compressed with gzip; unpack it, or pipe it: zcat FILE | pdl ingest -"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it, or pipe it: zstdcat FILE | pdl ingest -"),
    (b"BZh", "compressed with bzip2; unpack it, or pipe it: bzcat FILE | pdl ingest -"),
    (b"PK\x03\x04", "a ZIP archive (or a spreadsheet); unpack it, and give the files of JSON lines in it"),
    (b"SQLite format 3\x00", "an SQLite database, not a file of JSON lines"),
    (b"\xff\xfe", "UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16; save it as UTF-8"),
)
_BOM: Final = b"\xef\xbb\xbf"


class Sink(Protocol):
    """What this module needs of the ledger."""

    def mark(self, stream: str) -> int | None:
        """The last recorded offset of a stream; None when it was never read."""
        ...

    def record(self, inputs: Sequence[Input], stream: str, mark: int) -> Receipt:
        """Record a batch and move the mark, in one transaction."""
        ...

    def repeated(self, stream: str, count: int) -> Receipt:
        """Count inputs that the mark shows to be recorded."""
        ...


class Line(NamedTuple):
    """A line of a file: its number from 0, its bytes without the line's end (only the first, if it is too long), and its length."""

    number: int
    body: bytes
    size: int

    @property
    def cut(self) -> bool:
        """Whether the line was too long to keep."""
        return len(self.body) > BODY_BYTES_MAX


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """The lines of a file, in memory one at a time; of a line over the limit only its beginning, long enough to show that."""
    index = 0
    while line := file.readline(BODY_BYTES_MAX + 2):
        size = len(line)
        body = line
        while not line.endswith(b"\n") and (line := file.readline(_CHUNK_BYTES)):
            size += len(line)
        if index == 0:
            body = body.removeprefix(_BOM)
        yield Line(index, body.rstrip(b"\r\n"), size)
        index += 1


def ingest(
    name: str,
    sink: Sink,
    settings: Settings,
    *,
    advance: Callable[[Receipt | None, int], None],
    begin: Callable[[int | None], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Record the lines of one file (or of standard input, `-`).

    `begin` is told the size in bytes where it is known; `advance` each batch's receipt and bytes. Raises
    Unreadable when the file cannot be read as lines; what was recorded of it by then stays recorded.
    """
    with _opened(name) as (file, size):
        begin(size)
        stream = _stream(file, name, seekable=size is not None)
        mark = sink.mark(stream)
        for lines in _batches(_checked(read_lines(file), name), settings):
            if stopping():
                return
            _record(lines, stream, mark, sink, advance)


def _record(
    lines: list[Line], stream: str, mark: int | None, sink: Sink, advance: Callable[[Receipt | None, int], None]
) -> None:
    size = sum(line.size for line in lines)
    filled = [line for line in lines if line.body.strip()]
    fresh = [line for line in filled if mark is None or line.number > mark]
    if len(fresh) < len(filled):
        advance(sink.repeated(stream, len(filled) - len(fresh)), 0)
    if not fresh:
        advance(None, size)
        return
    inputs = [Input(place=line.number, body=line.body, size=line.size if line.cut else None) for line in fresh]
    try:
        advance(sink.record(inputs, stream, lines[-1].number), size)
    except BatchAlreadyRecorded:
        advance(sink.repeated(stream, len(fresh)), size)


def _batches(lines: Iterator[Line], settings: Settings) -> Iterator[list[Line]]:
    batch: list[Line] = []
    held = 0
    for line in lines:
        batch.append(line)
        held += len(line.body)
        if len(batch) >= settings.batch_facts or held >= settings.batch_bytes:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _checked(lines: Iterator[Line], name: str) -> Iterator[Line]:
    try:
        yield from lines
    except OSError as exc:
        raise Unreadable(
            f"{name}: reading failed ({exc.strerror}); what was read before is recorded. Run it again."
        ) from exc


@contextmanager
def _opened(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The file and its size; None for what cannot be read twice (standard input, a pipe)."""
    if name == STDIN:
        yield sys.stdin.buffer, None
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 -- closed below; only the opening has its own messages
    except IsADirectoryError as exc:
        raise Unreadable(
            f"{name} is a directory; name the files in it, for example {name.rstrip('/')}/*.jsonl."
        ) from exc
    except FileNotFoundError as exc:
        raise Unreadable(f"{name} is not there; check the name.") from exc
    except PermissionError as exc:
        raise Unreadable(f"{name} may not be read by this account; change its rights or use another account.") from exc
    except (OSError, ValueError) as exc:
        raise Unreadable(f"{name.encode(errors='replace').decode()!r} cannot be opened; check the name.") from exc
    with file:
        about = stat.S_IFMT(Path(name).stat().st_mode)
        if about == stat.S_IFREG:
            _refuse_binary(name, file)
            yield file, Path(name).stat().st_size
        elif about == stat.S_IFIFO:
            yield file, None
        else:
            raise Unreadable(f"{name} is a device, not a file of events.")


def _refuse_binary(name: str, file: BinaryIO) -> None:
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise Unreadable(f"{name} is {what}.")
    first = head.removeprefix(_BOM).lstrip()
    if first.startswith(b"["):
        raise Unreadable(f"{name} holds a JSON array; one event a line is read: jq -c '.[]' FILE | pdl ingest -")
    if b"\x00" in head and b"{" not in head.partition(b"\x00")[0]:
        raise Unreadable(f"{name} is binary, not a file of JSON lines.")


def _stream(file: BinaryIO, name: str, *, seekable: bool) -> str:
    if not seekable:
        return f"stdin:{secrets.token_hex(16)}"
    digest = hashlib.blake2b()
    try:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
        file.seek(0)
    except OSError as exc:
        raise Unreadable(f"{name}: reading failed ({exc.strerror}); nothing of it was recorded.") from exc
    return f"file:{digest.hexdigest()[:32]}"
