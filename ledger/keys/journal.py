"""The erasure journal: what was destroyed, in a file outside both databases and their backups.

One JSON line per destruction, synced before the keys go. A line that stands is an erasure that will be
completed, never taken back: when a key database comes back from an older backup, its keys are destroyed again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from ledger.domain.errors import StoreUnavailable, Unreadable
from ledger.keys.root import sync_directory


class GoneKey(Struct, frozen=True, array_like=True):
    """A key on its way out: its id and its scope."""

    id: str
    organisation: str
    client: str
    person: str
    dataset: str


class GonePerson(Struct, frozen=True, array_like=True):
    """A person without any key left, and the fence that stands for the identifier ("" where none was known)."""

    person: str
    fence: str


class Entry(Struct, frozen=True, kw_only=True):
    """One destruction: its case, the log's generation, the root's epoch, what went."""

    case: str
    generation: int
    epoch: int
    keys: tuple[GoneKey, ...]
    people: tuple[GonePerson, ...]


_decode = msgspec.json.Decoder(Entry).decode


class Journal:
    """Append-only; a line cut off by a crash never counted and is removed by the next one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self) -> None:
        """Make an empty journal where there is none, so that a missing one can be told from an empty one."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StoreUnavailable(f"the erasure journal {self._path} cannot be written: {error.strerror}") from error

    def entries(self, after: int = 0) -> list[Entry]:
        """What was destroyed, oldest first; raises Unreadable for a damaged line.

        `after` is a size that the journal had once. Where no line ends there, it came back from a backup or was
        begun anew, and everything in it counts.
        """
        content, before = self._content(after), after
        if after and not content.startswith(b"\n"):
            content, before = self._content(0), 0
        found = []
        for number, line in enumerate(content.removeprefix(b"\n" if before else b"").split(b"\n")[:-1], 1):
            try:
                found.append(_decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                where = f"line {number}" + (f" after byte {before:,}" if before else "")
                raise Unreadable(f"{self._path}, {where}, is no journal entry; restore the file") from error
        return found

    def size(self) -> int:
        """How long the journal is, in bytes of whole lines."""
        try:
            with self._path.open("rb") as file:
                return _whole(file)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise Unreadable(f"the erasure journal {self._path} cannot be read: {error.strerror}") from error

    def append(self, entries: Iterable[Entry]) -> int:
        """Write entries and wait until they are on disk; returns how long the journal is then."""
        try:
            with os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
                file.seek(file.truncate(_whole(file)))
                file.write(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            sync_directory(self._path.parent)
        except OSError as error:
            raise StoreUnavailable(f"the erasure journal {self._path} cannot be written: {error.strerror}") from error
        return size

    def _content(self, after: int) -> bytes:
        """The journal from the last byte before `after` on."""
        try:
            with self._path.open("rb") as file:
                file.seek(max(after - 1, 0))
                return file.read()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise Unreadable(f"the erasure journal {self._path} cannot be read: {error.strerror}") from error


def _whole(file: BinaryIO) -> int:
    """Length of the file up to its last complete line."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    if file.read(1) in {b"", b"\n"}:
        return size
    file.seek(0)
    return file.read().rfind(b"\n") + 1
