"""The trail finds every fact of a person, whatever tiles it lies in."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import pytest

from ledger.sealing import MAGIC, Record
from projections.runner import Tables, fold
from projections.trail import Trail, key_of

PEOPLE = [blake2b(bytes([number % 256, number // 256]), digest_size=16).hexdigest() for number in range(300)]


class Log:
    """A log of facts that say only whom they are about."""

    def __init__(self, people: list[str | None]) -> None:
        self.records: list[Record] = []
        for position, person in enumerate(people, 1):
            about = f'"person":"{person}",' if person else ""
            header = (
                f'{{"type":"pdl.data.used.v1","id":"e-{position}","source":"/a","time":"2026-01-01T00:00:00Z","organisation":"o",'
                f'{about}"recorded":"2026-01-01T00:00:00Z","salt":"00"}}'
            ).encode()
            self.records.append(
                Record(position, "s", position, "pdl.data.used.v1", MAGIC + len(header).to_bytes(4, "big") + header)
            )

    shareable = True

    def reader(self) -> Log:
        return self

    def plain(self, after: int, limit: int) -> list[Any]:
        return [
            (record.position, record.stream, record.topic, record.state)
            for record in self.records[after : after + limit]
        ]

    def size(self) -> int:
        return len(self.records)


@pytest.fixture(scope="module")
def whose() -> list[str | None]:
    everyone = [*PEOPLE, None]
    return [everyone[number * number * 7 % 301] for number in range(70_000)]


def folded(log: Any, size: int) -> Tables:
    store = Tables(None)
    store.prepare([Trail()], {"trail": "1"})
    fold(store, log, [Trail()], size=size)
    return store


def test_one_person_many_people_and_everyone_are_found(whose: list[str | None]) -> None:
    store = folded(Log(whose), 5000)
    for wanted in ([PEOPLE[0]], PEOPLE[:3], PEOPLE[:200], PEOPLE, ["0" * 32]):
        expected = [position for position, person in enumerate(whose, 1) if person in wanted]
        assert Trail().positions(store.db, map(key_of, wanted)) == expected
    store.close()


def test_who_has_a_fact_in_a_stretch_is_known(whose: list[str | None]) -> None:
    store = folded(Log(whose), 5000)
    for after, last in ((0, 70_000), (65_530, 65_540), (4095, 4097), (69_999, 70_000), (5, 5)):
        assert Trail().people(store.db, after, last) == {key_of(person) for person in whose[after:last] if person}
    store.close()


def test_full_tiles_are_merged_and_do_not_depend_on_pages(whose: list[str | None]) -> None:
    found = []
    for size in (70_000, 999):
        store = folded(Log(whose), size)
        found.append(store.db.execute("SELECT * FROM trail ORDER BY tile").fetchall())
        store.close()
    assert found[0] == found[1]
    # 65,536 positions are one tile of level 1; what is left takes two of level 0.
    assert [(level, number) for _, level, number, _ in found[0]] == [(1, 0), (0, 16), (0, 17)]
