"""A log beside its evidence: whoever changes anything is found, and the first bad index is named."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.errors import StoreUnavailable
from ledger.evidence import verify as module
from ledger.evidence.note import Checkpoint, Signer
from ledger.evidence.tree import Tiles, extend, leaf_hash, root
from ledger.evidence.verify import Report, verify

SIGNER = Signer("ledger.example/one", bytes(range(32)))


class Row(NamedTuple):
    position: int
    stream: str
    version: int
    topic: str
    state: bytes


def leaf_of(row: Row) -> bytes:
    return b"%b %d %b\n%b" % (row.stream.encode(), row.version, row.topic.encode(), row.state)


class Log:
    """A log as it might be stored, with nothing that keeps a hand off its tables."""

    def __init__(self, size: int, heads: tuple[int, ...] = ()) -> None:
        self.rows = [Row(n + 1, f"s{n % 3}", n // 3, "pdl.data.used.v1", b"state %d" % n) for n in range(size)]
        self.tree = size
        self.stored: Tiles = {}
        self.notes: list[tuple[int, str]] = []
        self.unreadable: int | None = None
        self.regrow()
        for head in heads:
            self.sign(head)

    def regrow(self) -> None:
        self.stored = extend(0, lambda *_: None, [leaf_hash(leaf_of(row)) for row in self.rows])

    def sign(self, size: int) -> None:
        self.notes.append((size, SIGNER.sign(str(Checkpoint(SIGNER.key.name, size, root(size, self.tile))))))

    def append(self, count: int) -> None:
        new = [Row(len(self.rows) + n + 1, "late", n, "pdl.data.used.v1", b"") for n in range(count)]
        self.stored.update(extend(len(self.rows), self.tile, [leaf_hash(leaf_of(row)) for row in new]))
        self.rows += new
        self.tree = len(self.rows)

    def read(self, after: int, limit: int) -> list[Row]:
        start = bisect_right(self.rows, after, key=lambda row: row.position)
        found = self.rows[start : start + limit]
        if any(row.position == self.unreadable for row in found) or self.unreadable == -1:
            raise StoreUnavailable("could not decode to UTF-8")
        return found

    def size(self) -> int:
        return max((row.position for row in self.rows), default=0)

    def tree_size(self) -> int:
        return self.tree

    def tile(self, level: int, number: int) -> bytes | None:
        return self.stored.get((level, number))

    def tiles(self) -> list[tuple[int, int]]:
        return sorted(self.stored)

    def checkpoints(self) -> list[tuple[int, str]]:
        return self.notes


def report(log: Log) -> Report:
    return verify(log, leaf_of, keys=[SIGNER.key])


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 100)


@pytest.mark.parametrize("size", [0, 1, 2, 99, 100, 101, 255, 256, 257, 511, 512, 1000])
def test_an_untouched_log_verifies(size: int) -> None:
    log = Log(size, (0, size // 2, size))
    found = report(log)
    assert found == Report(ok=True, events=size, root=log.notes[-1][1].split("\n")[2], first_bad=None, problems=())


def test_a_log_of_three_levels_verifies_whatever_the_pages() -> None:
    log = Log(65_536 + 300, (1, 256, 257, 65_535, 65_536, 65_537, 65_836))
    seen: list[int] = []
    assert verify(log, leaf_of, keys=[SIGNER.key], progress=seen.append).ok
    assert seen[0] == 100
    assert seen[-1] == 65_836


@pytest.mark.parametrize("at", [0, 1, 255, 256, 299, 511, 512, 599])
@pytest.mark.parametrize(
    "edit",
    [
        lambda row: row._replace(stream="other"),
        lambda row: row._replace(version=row.version + 1),
        lambda row: row._replace(topic="pdl.data.shared.v1"),
        lambda row: row._replace(state=row.state + b"!"),
        lambda row: row._replace(state=b""),
        lambda row: row._replace(state="text"),
        lambda row: row._replace(stream=None),
        lambda row: row._replace(version="1x"),
    ],
)
def test_an_edit_of_any_column_is_found_and_named(edit: Callable[[Row], Row], at: int) -> None:
    log = Log(600)
    log.rows[at] = edit(log.rows[at])
    found = report(log)
    assert not found.ok
    assert found.first_bad == at
    assert f"position {at + 1} " in found.problems[0]


@pytest.mark.parametrize("at", [0, 100, 255, 256, 598])
def test_a_deleted_record_is_found_and_those_behind_it_are_still_compared(at: int) -> None:
    log = Log(600)
    del log.rows[at]
    found = report(log)
    assert found.first_bad == at
    assert found.problems == (f"positions {at + 1} to {at + 1} have no readable record", *found.problems[1:])
    assert len(found.problems) <= 2


@pytest.mark.parametrize("at", [0, 100, 255, 256, 599])
def test_a_deleted_record_is_found_although_the_rest_moved_up(at: int) -> None:
    log = Log(600)
    del log.rows[at]
    log.rows = [row._replace(position=n + 1) for n, row in enumerate(log.rows)]
    assert report(log).first_bad == at
    log.tree = 599
    assert report(log).first_bad == at


@pytest.mark.parametrize("at", [0, 100, 255, 256, 599])
def test_an_inserted_record_is_found(at: int) -> None:
    log = Log(600)
    log.rows.insert(at, Row(0, "s", 1, "t", b"new"))
    log.rows = [row._replace(position=n + 1) for n, row in enumerate(log.rows)]
    assert report(log).first_bad == at
    log.tree = 601
    assert report(log).first_bad == at


def test_a_record_added_behind_the_tree_is_found() -> None:
    log = Log(600)
    log.rows.append(Row(601, "s", 1, "t", b"new"))
    assert report(log).first_bad == 600


def test_a_position_that_comes_twice_is_found() -> None:
    log = Log(600)
    log.rows.insert(9, log.rows[9])
    assert report(log).first_bad == 9


def test_a_position_out_of_order_is_found() -> None:
    log = Log(90)
    log.rows[57] = log.rows[57]._replace(position=56)
    assert report(log).first_bad == 55


def test_swapped_records_are_found() -> None:
    log = Log(600)
    log.rows[10], log.rows[400] = log.rows[400]._replace(position=11), log.rows[10]._replace(position=401)
    found = report(log)
    assert found.first_bad == 10
    assert found.problems == (
        "the record at position 11 does not agree with the evidence tree",
        "the record at position 401 does not agree with the evidence tree",
    )


def test_a_record_moved_to_the_end_of_time_is_found_at_once() -> None:
    log = Log(600)
    log.rows.append(log.rows.pop(10)._replace(position=10**15))
    assert report(log).first_bad == 10
    log.tree = 10**15
    assert report(log).first_bad == 10


@pytest.mark.parametrize("cut", [1, 88, 89, 256, 300, 600])
def test_a_tail_cut_off_is_found_by_the_tree(cut: int) -> None:
    log = Log(600)
    log.rows = log.rows[:-cut]
    assert report(log).first_bad == 600 - cut
    log.tree = 600 - cut
    found = report(log)
    assert found.first_bad == 600 - cut
    assert not found.ok


@pytest.mark.parametrize("cut", [1, 88, 89, 256, 300, 600])
def test_a_tail_cut_off_together_with_its_tree_is_found_by_a_signed_head(cut: int) -> None:
    log = Log(600, (600,))
    log.rows = log.rows[:-cut]
    log.tree = 600 - cut
    log.regrow()
    found = report(log)
    assert found.first_bad == 600 - cut
    assert found.problems == (f"a head of 600 leaves was signed, the log ends at position {600 - cut}",)


def test_a_log_written_anew_with_its_tree_is_found_between_two_signed_heads() -> None:
    log = Log(600, (100, 200, 300))
    log.rows[250] = log.rows[250]._replace(state=b"forged")
    log.regrow()
    found = report(log)
    assert found.first_bad == 200
    assert found.problems == (
        "the head signed at 300 leaves has another root",
        "a record between positions 201 and 300 was altered, and the evidence tree with it",
    )
    log.stored[0, 2] = bytes(32) + log.stored[0, 2][32:]
    assert report(log).first_bad == 200


def test_a_head_within_the_last_tile_does_not_hide_which_record_was_altered() -> None:
    log = Log(100, (60, 80, 100))
    log.rows[70] = log.rows[70]._replace(state=b"forged")
    assert report(log).first_bad == 70


def test_an_edited_tile_is_told_from_an_edited_record() -> None:
    log = Log(70_000)
    for place, at, first in (((0, 3), 7, 3 * 256 + 7), ((1, 0), 5, 5 * 256), ((2, 0), 0, 0)):
        good = log.stored[place]
        log.stored[place] = good[: at * 32] + bytes(32) + good[at * 32 + 32 :]
        found = report(log)
        assert found.first_bad == first
        assert len(found.problems) == 1
        if place != (1, 0):
            assert f"tile {place[0]}/{place[1]} was altered" in found.problems[0]
        log.stored[place] = good
    assert report(log).ok


@pytest.mark.parametrize("place", [(0, 0), (0, 2), (1, 0)])
def test_a_missing_short_or_long_tile_is_found(place: tuple[int, int]) -> None:
    for change in (
        lambda tile: tile[:-32],
        lambda tile: tile[:-1],
        lambda tile: tile + bytes(32),
        lambda tile: tile + b"x",
        lambda _: b"",
    ):
        log = Log(600)
        log.stored[place] = change(log.stored[place])
        assert not report(log).ok
    log = Log(600)
    del log.stored[place]
    assert not report(log).ok


@pytest.mark.parametrize("place", [(0, 3), (1, 1), (2, 0), (9, 9)])
def test_a_tile_beyond_the_end_is_found(place: tuple[int, int]) -> None:
    log = Log(600)
    log.stored[place] = bytes(32)
    found = report(log)
    assert found.first_bad == 600
    assert "beyond the end" in found.problems[0]


@pytest.mark.parametrize("tree", [0, 1, 599, 601, 10**15])
def test_an_edited_tree_size_is_found(tree: int) -> None:
    log = Log(600)
    log.tree = tree
    assert report(log).first_bad == min(tree, 600)


def test_an_edited_forged_or_moved_head_is_found() -> None:
    log = Log(600, (300, 600))
    size, note = log.notes[0]
    foreign = Signer("other.example", bytes(range(32))).sign(note[: note.rfind("\n\n") + 1])
    impostor = Signer(SIGNER.key.name, bytes(32)).sign(note[: note.rfind("\n\n") + 1])
    for forged in (
        (size, note.replace("300\n", "299\n")),
        (size, note.replace("\u2014", "-")),
        (size, foreign),
        (size, impostor),
        (299, note),
        (size, ""),
        (size, log.notes[1][1]),
    ):
        log.notes[0] = forged
        assert not report(log).ok
        assert report(log).first_bad is None
    log.notes[0] = (size, note)
    assert report(log).ok


def test_without_keys_roots_are_still_compared() -> None:
    log = Log(600, (300,))
    assert verify(log, leaf_of).ok
    log.notes = [(300, Signer("x", bytes(32)).sign(str(Checkpoint("x", 300, bytes(32)))))]
    assert not verify(log, leaf_of).ok


def test_a_record_that_the_store_cannot_read_is_found_and_the_rest_is_still_compared() -> None:
    log = Log(600)
    log.unreadable = 321
    log.rows[500] = log.rows[500]._replace(state=b"forged")
    found = report(log)
    assert found.first_bad == 320
    assert found.events == 600
    assert found.problems[0] == "the record at position 321 cannot be read (StoreUnavailable)"
    assert "position 501" in found.problems[-1]


def test_a_store_that_reads_nothing_is_found() -> None:
    log = Log(300)
    log.unreadable = -1
    found = report(log)
    assert (found.ok, found.events, found.first_bad) == (False, 0, 0)


@pytest.mark.parametrize("question", ["tree_size", "tile", "tiles", "checkpoints"])
def test_evidence_of_the_wrong_kind_is_found(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise TypeError("string argument without an encoding")

    log = Log(300, (300,))
    monkeypatch.setattr(log, question, broken)
    assert not report(log).ok


def test_a_note_of_the_wrong_kind_is_found() -> None:
    log = Log(300, (300,))
    log.notes = [(300, b"bytes")]
    assert not report(log).ok


def test_problems_are_counted_and_not_all_told() -> None:
    log = Log(40_000)
    log.rows = [row._replace(state=b"") for row in log.rows]
    found = report(log)
    assert found.first_bad == 0
    assert len(found.problems) == 100


@pytest.mark.parametrize("grow", [1, 88, 300])
def test_others_may_append_while_a_log_is_verified(grow: int) -> None:
    log = Log(600, (600,))

    def meanwhile(count: int) -> None:
        if count == 300:
            log.append(grow)

    found = verify(log, leaf_of, keys=[SIGNER.key], progress=meanwhile)
    assert found.ok, found.problems
    assert found.events == 600


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**9), size=st.sampled_from([5, 255, 256, 700]))
def test_no_single_change_goes_unseen(seed: int, size: int) -> None:
    chance, log = random.Random(seed), Log(size)
    at = chance.randrange(size)
    if chance.random() < 0.5:
        row = log.rows[at]
        spot, bit = chance.randrange(len(row.state)), chance.randrange(8)
        state = row.state[:spot] + bytes([row.state[spot] ^ 1 << bit]) + row.state[spot + 1 :]
        log.rows[at] = row._replace(state=state)
        assert report(log).first_bad == at
    else:
        place = chance.choice(sorted(log.stored))
        tile = log.stored[place]
        spot, bit = chance.randrange(len(tile)), chance.randrange(8)
        log.stored[place] = tile[:spot] + bytes([tile[spot] ^ 1 << bit]) + tile[spot + 1 :]
        assert report(log).first_bad is not None
