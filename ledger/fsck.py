"""What stands beside the log is compared with the log: ids, decisions, generations, marks, counts, sealed rows.

`ledger.evidence.verify` re-reads the records and the tree. This module re-reads the tables that commit with them,
so that an input cannot be made to vanish from the accounts, nor an erasure from the list of erasures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import orjson
from cryptography.exceptions import InvalidTag
from msgspec import Struct

from ledger.decisions import DESTROYED, DISCARDED
from ledger.domain.errors import LedgerError
from ledger.keys import Erased, KeyStore
from ledger.sealing import MAGIC, header_bytes, removed_keys
from ledger.service import WAITING, name_aad, quarantine_aad
from ledger.store import Beside, EventLog

STRETCH: Final = 100_000
"""How many records are compared with their ids at once: what is in memory."""
_PAGE: Final = 5_000


class _Named(Struct, gc=False):
    id: str
    source: str


_named: Final = msgspec.json.Decoder(_Named).decode


def disagreements(log: EventLog, keys: KeyStore) -> Iterator[str]:
    """Everything beside the log that does not say what the log says; nothing where all is well.

    Compares one moment of the log, so that a process may go on writing meanwhile.
    """
    seen = keys.log_seen()  # Before the log is read: a process that goes on writing is always ahead of what it noted.
    beside = log.beside()
    yield from _cut_off(seen, beside.size)
    recorded: Counter[str] = Counter()
    versions: dict[str, int] = {}
    decisions: list[tuple[int, str, str]] = []
    destroyed: list[str] = []
    removed: dict[str, int] = {}
    gone: set[str] = set()
    for after in range(0, beside.size, STRETCH):
        end = min(after + STRETCH, beside.size)
        ids = {position: (source, event_id) for position, source, event_id in log.ids(after, end)}
        for at in range(after, end, _PAGE):
            for record in log.read(at, min(_PAGE, end - at)):
                if record.state.startswith(MAGIC):
                    named = _named(header_bytes(record.state))
                    if ids.pop(record.position, None) != (named.source, named.id):
                        yield f"event_id: record {record.position} is not found under its own id and source"
                    removed |= dict.fromkeys(removed_keys(record.state), record.position)
                    recorded[record.stream] += 1
                    recorded[named.source] += 1
                    versions[record.stream] = max(versions.get(record.stream, 0), record.version)
                else:
                    decisions.append((record.position, record.stream, record.topic))
                    if record.topic == DESTROYED:
                        said = orjson.loads(record.state)
                        destroyed.append(said["at"])
                        gone |= set(said["key_ids"])
        if ids:
            yield f"event_id: {len(ids)} rows lead to no fact, the first to position {min(ids)}"
    yield from _taken_away(removed, gone)
    if beside.decisions != decisions:
        yield "decision: the list of decisions is not that of the log"
    if beside.generations != destroyed:
        yield "generation: the generations are not the destructions of keys in the log"
    yield from _accounts(beside, recorded, versions)
    yield from _sealed(log, keys)
    yield from _given_up(log)


def _cut_off(seen: int, size: int) -> Iterator[str]:
    if seen > size:
        yield (
            f"keys: they saw a log of {seen:,} records, and this one has {size:,}: it came back from an older backup, "
            "or its end was cut off; restore the newest log (`pdl restore --rehearse` tells which files belong together)"
        )


def _taken_away(removed: dict[str, int], destroyed: set[str]) -> Iterator[str]:
    """Ciphertexts that are gone although no decision says that their key was destroyed."""
    for key_id in sorted(removed.keys() - destroyed):
        yield f"record {removed[key_id]}: a ciphertext was taken away, and its key {key_id} was never destroyed"


def _accounts(beside: Beside, recorded: Counter[str], versions: dict[str, int]) -> Iterator[str]:
    for stream, version in sorted(versions.items()):
        if beside.marks.get(stream, -1) < version - 1:
            yield f"tracking: the mark of {stream} lies before its last record"
    for name in sorted(recorded.keys() | {name for name, kind in beside.tallies if kind == "recorded"}):
        if beside.tallies.get((name, "recorded"), 0) != recorded[name]:
            yield f"tally: {name} counts {beside.tallies.get((name, 'recorded'), 0)} recorded, the log has {recorded[name]}"
    counted: Counter[str] = Counter()
    for (name, kind), count in beside.tallies.items():
        if kind.startswith("quarantined:") and name in beside.marks:
            counted[name] += count
    for stream in sorted(counted.keys() | beside.quarantined.keys()):
        if counted[stream] != beside.quarantined.get(stream, 0):
            rows = beside.quarantined.get(stream, 0)
            yield f"quarantine: {stream} has {rows} rows, and {counted[stream]} were counted"


def _sealed(log: EventLog, keys: KeyStore) -> Iterator[str]:
    """Rows of the quarantine and of names that no longer open with their key."""
    rows: list[tuple[str, str, bytes, bytes, bytes]] = [
        (f"quarantine {row.number}", row.key, row.nonce, row.sealed, quarantine_aad(row.stream, row.place))
        for row in log.quarantine()
        if row.state == WAITING or row.sealed
    ]
    rows += [
        (f"name {row.token}", row.key, row.nonce, row.sealed, name_aad(row.organisation, row.token))
        for row in log.names()
    ]
    opened: dict[str, Any] = {}
    for what, key_id, nonce, sealed, aad in rows:
        try:
            key = opened.get(key_id) or opened.setdefault(key_id, keys.open({key_id})[key_id])
            if isinstance(key, Erased):
                yield f"{what}: its key was destroyed"
            else:
                key.aead.decrypt(nonce, sealed, aad)
        except (LedgerError, InvalidTag, ValueError, TypeError):
            yield f"{what}: does not open with its key"


def _given_up(log: EventLog) -> Iterator[str]:
    """Inputs that are said to be discarded although no decision in the log says so."""
    gone = [row.number for row in log.quarantine() if row.state == "discarded"]
    decided = {orjson.loads(record.state)["number"] for record in log.decisions(DISCARDED)} if gone else set()
    for number in gone:
        if number not in decided:
            yield f"quarantine {number}: discarded, and no decision in the log says so"
