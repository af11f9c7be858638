"""Verification of a whole log: every stored record is read again and every hash computed again.

Nothing stored is believed: leaf hashes come from the records, tiles from the leaf hashes, roots from the tiles,
and each is compared with what is stored and with every head that was ever signed. One pass, flat memory.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

from ledger.domain.errors import LedgerError, ProofRefused
from ledger.evidence.note import VerifierKey, open_note, parse_checkpoint
from ledger.evidence.tree import EMPTY_ROOT, HASH_SIZE, TILE_SIZE, TILE_WIDTH, fold, leaf_hash, node_hash

PROBLEMS_MAX: Final = 100
PAGE: Final = 5_000


class Positioned(Protocol):
    """A stored record, as far as this module looks at it."""

    @property
    def position(self) -> int:
        """Its place in the log, from 1 without gaps."""
        ...


R = TypeVar("R", bound=Positioned, covariant=True)


class VerifiableLog(Protocol[R]):
    """What verification needs of a log."""

    def read(self, after: int, limit: int) -> Sequence[R]:
        """At most `limit` records behind position `after`, in order."""
        ...

    def size(self) -> int:
        """How many records the log says it has."""
        ...

    def tile(self, level: int, number: int) -> bytes | None:
        """One stored hash tile."""
        ...

    def checkpoints(self) -> Sequence[tuple[int, str]]:
        """Every signed head: size and note."""
        ...


class Report(NamedTuple):
    """What verification found. `first_bad` is the leaf index (position - 1) of the first deviation, or None.

    `events` are the records read, `root` the root over them in base64; `problems` are sentences, the first 100.
    """

    ok: bool
    events: int
    root: str
    first_bad: int | None
    problems: tuple[str, ...]


def verify(
    log: VerifiableLog[R],
    leaf_of: Callable[[R], bytes],
    *,
    keys: Collection[VerifierKey] = (),
    size: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Compare a log with its own evidence; without `keys` signatures of stored heads are not checked.

    `size` is the number of leaves that the tree says it has, where the log keeps it apart from its records.
    """
    examiner = _Examiner(log)
    heads = examiner.heads(keys)
    next_head = next(heads, None)
    for record in _records(log, progress):
        while next_head is not None and next_head.size <= examiner.count:
            examiner.compare_head(next_head)
            next_head = next(heads, None)
        examiner.take(record, leaf_of)
    while next_head is not None:
        examiner.compare_head(next_head)
        next_head = next(heads, None)
    examiner.finish({log.size(), *([] if size is None else [size])})
    return examiner.report()


def _records(log: VerifiableLog[R], progress: Callable[[int], None] | None) -> Iterator[R]:
    after = 0
    while page := log.read(after, PAGE):
        yield from page
        after = page[-1].position
        if progress is not None:
            progress(after)


class _Head(NamedTuple):
    size: int
    root: bytes


class _Examiner:
    """The tree as it follows from the records, one partial tile a level, beside the one that is stored."""

    def __init__(self, log: VerifiableLog[Positioned]) -> None:
        self._log = log
        self._edges: list[bytearray] = []
        self._numbers: list[int] = []
        self._problems: list[str] = []
        self._found = 0
        self._first_bad: int | None = None
        self.count = 0

    def take(self, record: R, leaf_of: Callable[[R], bytes]) -> None:
        """Add one record."""
        if record.position != self.count + 1:
            self._bad(self.count, f"position {self.count + 1} is missing or out of order: position {record.position} follows")
        try:
            leaf = leaf_of(record)
        except (LedgerError, ValueError, LookupError) as error:
            self._bad(self.count, f"the record at position {self.count + 1} cannot be read: {type(error).__name__}")
            leaf = b""
        self.count += 1
        self._push(0, leaf_hash(leaf))
