"""Verification of a whole log: every stored record is read again and every hash computed again.

Nothing stored is believed: leaf hashes come from the records, tiles from the leaf hashes, roots from the tiles,
and each is compared with what is stored and with every head that was ever signed. One pass, flat memory.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import sha256
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from ledger.domain.errors import LedgerError, ProofRefused
from ledger.evidence.note import VerifierKey, open_note, parse_checkpoint
from ledger.evidence.tree import EMPTY_ROOT, HASH_SIZE, TILE_SIZE, TILE_WIDTH, fold, node_hash

PROBLEMS_MAX: Final = 100
PAGE: Final = 5_000
_PADDING_MAX: Final = 100_000
_NOTHING: Final = bytes(HASH_SIZE)


class Positioned(Protocol):
    """A stored record, as far as this module looks at it."""

    @property
    def position(self) -> int:
        """Its place in the log, from 1 without gaps."""
        ...


T = TypeVar("T")
R = TypeVar("R", bound=Positioned)
R_co = TypeVar("R_co", bound=Positioned, covariant=True)


class VerifiableLog(Protocol[R_co]):
    """What verification needs of a log; `ledger.store.EventLog` has it."""

    def read(self, after: int, limit: int) -> Sequence[R_co]:
        """At most `limit` records behind position `after`, in order."""
        ...

    def size(self) -> int:
        """The position of the last record."""
        ...

    def tree_size(self) -> int:
        """How many leaves the tree says that it has."""
        ...

    def tile(self, level: int, number: int) -> bytes | None:
        """One stored hash tile."""
        ...

    def tiles(self) -> list[tuple[int, int]]:
        """(level, number) of every tile that is stored."""
        ...

    def checkpoints(self) -> list[tuple[int, str]]:
        """Every signed head: size and note."""
        ...


class Report(NamedTuple):
    """What verification found: sentences in `problems`, the first 100 of them.

    `events` are the records that were read, `root` the root over them in base64, `first_bad` the leaf index
    (position - 1) from which on the log cannot be relied upon, or None.
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
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Compare a log with its own evidence, up to the size that it has now; others may go on appending.

    `keys` are those that may have signed its heads; without them roots are compared and signatures are not.
    `progress` is told the number of records read.
    """
    finding = _Finding()
    size = _declared_size(log, finding)
    tree = _Rebuilt(log, finding)
    heads = _heads(log, keys, finding)
    for hashes in _hashes(log, leaf_of, size, finding):
        tree.grow(hashes, heads)
        if progress is not None:
            progress(tree.size)
    tree.finish(size, heads)
    return Report(
        not finding.problems, tree.size, b64encode(tree.root()).decode(), finding.first_bad, tuple(finding.problems)
    )


class _Finding:
    """The deviations met so far."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.first_bad: int | None = None

    def add(self, index: int | None, words: str) -> None:
        """Something is wrong, from this leaf on (None: the records themselves are not touched)."""
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(words)
        if index is not None and (self.first_bad is None or index < self.first_bad):
            self.first_bad = index


class _Head(NamedTuple):
    size: int
    root: bytes


def _declared_size(log: VerifiableLog[R], finding: _Finding) -> int:
    """How many leaves there are; the records and the tree must agree, but for what is appended meanwhile."""
    size, last = _asked(log.tree_size, 0, finding), log.size()
    if not size <= last <= _asked(log.tree_size, 0, finding):
        finding.add(min(size, last), f"the log has records up to position {last}, its tree has {size} leaves")
    return size


def _asked(question: Callable[[], T], otherwise: T, finding: _Finding) -> T:
    """An answer of the log about its own evidence; where what it stores is not even of the right kind, a finding."""
    try:
        return question()
    except (LedgerError, TypeError, ValueError) as error:
        finding.add(None, f"a part of the stored evidence cannot be read ({type(error).__name__})")
        return otherwise


def _heads(log: VerifiableLog[R], keys: Collection[VerifierKey], finding: _Finding) -> list[_Head]:
    """The signed heads, largest first; one that does not hold is a finding."""
    heads, none = [], list[tuple[int, str]]()
    for size, note in _asked(log.checkpoints, none, finding):
        try:
            head = parse_checkpoint(open_note(note, keys)[0] if keys else note[: note.rfind("\n\n") + 1])
        except (ProofRefused, TypeError, AttributeError) as error:
            finding.add(None, f"the signed head of size {size} does not hold: {error}")
            continue
        if head.size != size or (keys and head.origin not in {key.name for key in keys}):
            finding.add(None, f"the signed head of size {size} is of {head.origin} and size {head.size}")
        heads.append(_Head(head.size, head.root))
    return sorted(heads, reverse=True)


def _hashes(
    log: VerifiableLog[R], leaf_of: Callable[[R], bytes], size: int, finding: _Finding
) -> Iterator[list[bytes]]:
    """Leaf hashes page by page, each in its place; where a record is missing or unreadable, a hash of nothing."""
    count = 0
    for page in _pages(log, size, finding):
        hashes = _hashed(page, leaf_of, finding)
        if [record.position for record in page] != list(range(count + 1, count + len(page) + 1)):
            hashes = _aligned(page, hashes, count, size, finding)
        count += len(hashes)
        yield hashes


def _pages(log: VerifiableLog[R], size: int, finding: _Finding) -> Iterator[Sequence[R]]:
    after = 0
    while after < size:
        limit = min(PAGE, size - after)
        try:
            page = log.read(after, limit)
        except LedgerError:
            page, end = _one_by_one(log, after, limit, finding)
        else:
            end = page[-1].position if page else size
        page = [record for record in page if record.position <= size]
        if page:
            yield page
        after = end


def _one_by_one(log: VerifiableLog[R], after: int, limit: int, finding: _Finding) -> tuple[list[R], int]:
    """A page in which the store cannot read every record: those that it can, and where to go on."""
    page: list[R] = []
    end = after + limit
    while after < end:
        try:
            found = log.read(after, 1)
        except LedgerError as error:
            after += 1
            finding.add(after - 1, f"the record at position {after} cannot be read ({type(error).__name__})")
            continue
        if not found:
            return page, end
        page += found
        after = found[0].position
    return page, after


def _hashed(page: Sequence[R], leaf_of: Callable[[R], bytes], finding: _Finding) -> list[bytes]:
    try:
        return [sha256(b"\x00" + leaf_of(record)).digest() for record in page]
    except Exception:  # noqa: BLE001 - whatever an altered record makes of its reader is a finding, named below
        return [_hash_or_nothing(record, leaf_of, finding) for record in page]


def _hash_or_nothing(record: R, leaf_of: Callable[[R], bytes], finding: _Finding) -> bytes:
    try:
        return sha256(b"\x00" + leaf_of(record)).digest()
    except Exception as error:  # noqa: BLE001 - as above
        finding.add(
            record.position - 1, f"the record at position {record.position} is no record ({type(error).__name__})"
        )
        return _NOTHING


def _aligned(page: Sequence[R], hashes: Sequence[bytes], count: int, size: int, finding: _Finding) -> list[bytes]:
    """Hashes at their places although positions are missing or come twice."""
    placed: list[bytes] = []
    for record, hash_ in zip(page, hashes, strict=True):
        due = count + len(placed) + 1
        if record.position < due:
            finding.add(record.position - 1, f"position {record.position} comes twice")
            continue
        if record.position > due:
            finding.add(due - 1, f"positions {due} to {record.position - 1} have no readable record")
            placed += [_NOTHING] * min(record.position - due, _PADDING_MAX, size - due)
        placed.append(hash_)
    return placed


class _Rebuilt(Generic[R]):
    """The tree as it follows from the records, one partial tile a level, beside the one that is stored."""

    def __init__(self, log: VerifiableLog[R], finding: _Finding) -> None:
        self._log = log
        self._finding = finding
        self._edges: list[bytearray] = []
        self._numbers: list[int] = []
        self._known_bad: list[set[int]] = []
        self._good_up_to = 0
        self._other_root: tuple[int, int] | None = None
        self.size = 0

    def grow(self, hashes: Sequence[bytes], heads: list[_Head]) -> None:
        """Add leaf hashes; compare each full tile, and each head on the way."""
        at = 0
        while at < len(hashes):
            end = len(hashes)
            if heads and heads[-1].size <= self.size + end - at:
                end = at + max(heads[-1].size - self.size, 0)
            for start in range(at, end, TILE_WIDTH):
                self._add(0, hashes[start : min(start + TILE_WIDTH, end)])
            self.size += end - at
            at = end
            self._compare_heads(heads)

    def finish(self, declared: int, heads: list[_Head]) -> None:
        """Compare the edge of the tree, what should not be there, and heads of a size that the log does not reach."""
        if self.size < declared:
            self._finding.add(self.size, f"the log ends at position {self.size}, and its tree has {declared} leaves")
        self._compare_heads(heads)
        for head in heads:
            self._finding.add(
                self.size, f"a head of {head.size} leaves was signed, the log ends at position {self.size}"
            )
        edges = {(level, self._numbers[level]): bytes(edge) for level, edge in enumerate(self._edges) if edge}
        stored = {place: self._tile(*place) for place in edges}
        still = _asked(self._log.tree_size, 0, self._finding) == declared
        for (level, number), tile in edges.items():
            found = stored[level, number]
            if still and len(found) > len(tile):
                self._finding.add(self.size, f"tile {level}/{number} reaches beyond the end of the log")
            self._compare_tile(level, number, tile, found[: len(tile)])
        if still:
            for level, number in sorted(
                set(_asked(self._log.tiles, list[tuple[int, int]](), self._finding)) - edges.keys()
            ):
                if level >= len(self._numbers) or number >= self._numbers[level]:
                    self._finding.add(self.size, f"tile {level}/{number} lies beyond the end of the log")
        self._explain_other_root()

    def root(self) -> bytes:
        """Root over everything added so far."""
        found = b""
        for edge in self._edges:
            width = len(edge) // HASH_SIZE
            while width:
                peak = width & -width
                left = fold(bytes(edge[(width - peak) * HASH_SIZE : width * HASH_SIZE]))
                found = node_hash(left, found) if found else left
                width -= peak
        return found or EMPTY_ROOT

    def _compare_heads(self, heads: list[_Head]) -> None:
        while heads and heads[-1].size <= self.size:
            head = heads.pop()
            if head.root == self.root():
                self._good_up_to = head.size
                continue
            self._finding.add(None, f"the head signed at {head.size} leaves has another root")
            self._other_root = self._other_root or (self._good_up_to, head.size)

    def _explain_other_root(self) -> None:
        """Where no record below a head deviates from its tile, the tiles were altered with it."""
        first = self._finding.first_bad
        if self._other_root and (first is None or first >= self._other_root[1]):
            low, high = self._other_root
            words = f"a record between positions {low + 1} and {high} was altered, and the evidence tree with it"
            self._finding.add(low, words)

    def _add(self, level: int, hashes: Sequence[bytes]) -> None:
        """Add hashes, at most a tile's worth, to a level; a tile that is full is compared and adds to the next."""
        edge = self._edge(level)
        edge += b"".join(hashes)
        if len(edge) < TILE_SIZE:
            return
        tile, number = bytes(edge[:TILE_SIZE]), self._numbers[level]
        bad = self._compare_tile(level, number, tile, self._tile(level, number))
        del edge[:TILE_SIZE]
        self._numbers[level] += 1
        self._known_bad[level].clear()
        self._edge(level + 1)
        if bad:
            self._known_bad[level + 1].add(number)
        self._add(level + 1, [fold(tile)])

    def _tile(self, level: int, number: int) -> bytes:
        """A stored tile; empty where there is none."""
        return _asked(lambda: self._log.tile(level, number) or b"", b"", self._finding)

    def _edge(self, level: int) -> bytearray:
        if level == len(self._edges):
            self._edges.append(bytearray())
            self._numbers.append(0)
            self._known_bad.append(set())
        return self._edges[level]

    def _compare_tile(self, level: int, number: int, tile: bytes, stored: bytes) -> bool:
        """Whether the records are to blame for a difference; one that comes from a level below is not told again."""
        if tile == stored:
            return False
        width = max(len(tile), len(stored) + HASH_SIZE - 1) // HASH_SIZE
        differ = [
            number * TILE_WIDTH + at
            for at in range(width)
            if tile[at * HASH_SIZE : (at + 1) * HASH_SIZE] != stored[at * HASH_SIZE : (at + 1) * HASH_SIZE]
        ]
        new = [entry for entry in differ if entry not in self._known_bad[level]]
        blameless = level == 0 and len(tile) == TILE_SIZE and self._above(number) == fold(tile)
        if new and level == 0 and not blameless:
            self._finding.add(
                new[0], f"the record at position {new[0] + 1} does not agree with the evidence tree{_others(new)}"
            )
        elif new:
            self._finding.add(
                new[0] * TILE_WIDTH**level,
                f"tile {level}/{number} was altered: its entry {new[0] % TILE_WIDTH} does not follow from the records",
            )
        return not blameless and (level == 0 or not new)

    def _above(self, number: int) -> bytes:
        above = self._tile(1, number // TILE_WIDTH)
        at = number % TILE_WIDTH * HASH_SIZE
        return above[at : at + HASH_SIZE]


def _others(differing: Sequence[int]) -> str:
    return f", nor do {len(differing) - 1} more up to position {differing[-1] + 1}" if len(differing) > 1 else ""
