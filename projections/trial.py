"""A statement put to the test on what is recorded: which facts each rule judged, and what another pack would find.

Nothing is written. A trial reads the facts through the same bench as the judge behind the log, person by
person, so that memory does not grow with the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from ledger.domain.facts import Fact
from ledger.policy.findings import Finding
from ledger.policy.model import Pack
from ledger.policy.timeline import without_retracted
from ledger.sealing import MAGIC, header_of
from projections.context import Context
from projections.judgement import PEOPLE_AT_ONCE, Bench, Judgement
from projections.register import Log
from projections.runner import PAGE_RECORDS, Progress

_FACT: Final = MAGIC[0]


def live_facts(db: sqlite3.Connection, log: Log, progress: Progress | None = None) -> Iterator[Fact]:
    """Every fact that was not retracted, in the order of the log; people behind the fence are no part of it."""
    gone, position, size = _retracted(db, log), 0, log.size()
    while page := log.plain(position, PAGE_RECORDS):
        for position, _, _, state in page:
            if state[0] == _FACT and position not in gone:
                fact = header_of(state)
                if not fact.fenced:
                    yield fact
        if progress is not None:
            progress(position, size)


def _retracted(db: sqlite3.Connection, log: Log) -> set[int]:
    """The positions of facts that were retracted; a retracted retraction is void."""
    pairs = db.execute(Context().sql["retractions"]).fetchall()
    positions = sorted({position for pair in pairs for position in pair})
    facts = {record.position: header_of(record.state) for record in log.at(positions)} if positions else {}
    live = {(fact.source, fact.id) for fact in without_retracted(facts.values())}
    return {position for position, fact in facts.items() if (fact.source, fact.id) not in live}


def tried(
    db: sqlite3.Connection,
    log: Log,
    pack: Pack,
    names: Mapping[str, str],
    until: datetime,
    progress: Progress | None = None,
) -> Iterator[Finding]:
    """What a pack finds in the recorded facts of its organisation up to a moment; apply `findings.at` to it.

    `names`: tokens of ids that no pack listed when they were recorded, and that this pack does.
    """

    def read(state: bytes) -> Fact:
        return named(header_of(state), names)

    bench = Bench(db, log, {pack.organisation: pack}, until, read)
    place = {"organisation": pack.organisation}
    people = sorted(row[0] for row in db.execute(Judgement().sql["everyone"], place))
    seen: set[bytes] = set()
    for start in range(0, len(people), PEOPLE_AT_ONCE):
        # Whoever is linked with somebody before was judged with them.
        everyone, results = bench.people(set(people[start : start + PEOPLE_AT_ONCE]) - seen)
        seen |= everyone
        for judged in results:
            yield from judged.findings
        if progress is not None:
            progress(min(start + PEOPLE_AT_ONCE, len(people)), len(people))
    yield from bench.organisation(pack.organisation).findings
    yield from bench.sources(pack.organisation).findings


def named(fact: Fact, names: Mapping[str, str]) -> Fact:
    """A fact with the ids that tokens stand for, where these names know them."""
    found: dict[str, Any] = {}
    for field in fact.__struct_fields__ if names else ():
        value = getattr(fact, field)
        if isinstance(value, str) and value in names:
            found[field] = names[value]
        elif isinstance(value, tuple) and any(item in names for item in value if isinstance(item, str)):
            found[field] = tuple(names.get(item, item) if isinstance(item, str) else item for item in value)
    return msgspec.structs.replace(fact, **found) if found else fact
