"""The write path on PostgreSQL, in one process and in two, against raw COPY of the same finished rows in the same run."""

from __future__ import annotations

import multiprocessing
import os
import random
import statistics
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg

from consumers.postgres import postgres
from consumers.wiring import quiet_collector
from ledger.keys.postgres import open_key_store_on_postgres
from ledger.policy.packs import builtin_packs
from ledger.postgres import Address
from ledger.sealing import Record
from ledger.service import BATCH_INPUTS, Ledger
from ledger.store.postgres import PostgresEventLog
from tests.benchmarks import natural, write_path
from tests.benchmarks.traffic import bodies

TABLE: Final = (
    "CREATE TABLE stored_events (originator_id text NOT NULL, originator_version bigint NOT NULL, topic text, state bytea,"
    " notification_id bigserial, PRIMARY KEY (originator_id, originator_version))"
)
COPY: Final = (
    "COPY stored_events (originator_id, originator_version, topic, state, notification_id) FROM STDIN (FORMAT BINARY)"
)


def run(events: int, people: int, rounds: int, naturally: int, say: Callable[[str], None]) -> None:
    """Measure and say the ratios; medians over shuffled rounds."""
    everything = list(bodies(people * 4 + events, people))
    warm, messages = everything[: people * 4], everything[people * 4 :]
    taken: dict[str, list[float]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(prefix="pdl-bench-") as folder,
        postgres(os.environ.get("PDL_TEST_POSTGRES"), Path(folder)) as url,
    ):
        rows = _finished(url, warm, messages)
        measured: dict[str, Callable[[], float]] = {
            "raw COPY": lambda: _raw(url, rows) / len(rows),
            "one process": lambda: _one(url, warm, messages) / len(messages),
            "two processes": lambda: _two(url, warm, messages) / len(messages),
            "natural": lambda: _natural(url, messages[:naturally]) / naturally,
        }
        for number in range(rounds):
            for name in random.Random(number).sample(sorted(measured), len(measured)):
                taken[name].append(measured[name]())
    medians = {name: statistics.median(times) for name, times in taken.items()}
    for name, seconds in medians.items():
        say(f"PostgreSQL, {name:<15}{seconds * 1e6:>9.1f} us an event")
    say(f"PostgreSQL, one process / raw COPY   {medians['raw COPY'] / medians['one process']:.3f}   (0.20 asked)")
    say(f"PostgreSQL, two processes / raw COPY {medians['raw COPY'] / medians['two processes']:.3f}   (0.33 asked)")
    say(f"PostgreSQL, one process / natural    {medians['natural'] / medians['one process']:.1f}   (50 asked)")


def _schema() -> str:
    return f"bench_{uuid.uuid4().hex[:12]}"


def _drop(url: str, *schemas: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for schema in schemas:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def _open(url: str, schema: str, place: Path, *, create: bool) -> Ledger:
    quiet_collector()
    log = PostgresEventLog(Address(url, schema), create=create)
    keys = open_key_store_on_postgres(place, Address(url, f"{schema}_keys"), ledger_id=log.ledger_id, create=create)
    return Ledger(log, keys, builtin_packs(), lambda: datetime.now(UTC))


def _close(ledger: Ledger) -> None:
    ledger.log.close()
    ledger.keys.close()


def _finished(url: str, warm: Sequence[bytes], messages: Sequence[bytes]) -> list[Record]:
    schema = _schema()
    with write_path.folder() as place:
        ledger = _open(url, schema, place, create=True)
        write_path.record(ledger, warm, "warm")
        after = ledger.log.size()
        write_path.record(ledger, messages)
        rows = write_path.finished_rows(ledger, after)
        _close(ledger)
    _drop(url, schema, f"{schema}_keys")
    return rows


def _raw(url: str, rows: Sequence[Record]) -> float:
    address = Address(url, _schema())
    with address.connect() as connection:
        connection.execute(f"CREATE SCHEMA {address.schema}")
        connection.execute(TABLE)
        connection.execute("CREATE UNIQUE INDEX ON stored_events (notification_id)")
        start = time.perf_counter()
        for at in range(0, len(rows), BATCH_INPUTS):
            with connection.transaction(), connection.cursor() as cursor, cursor.copy(COPY) as copy:
                copy.set_types(["text", "int8", "text", "bytea", "int8"])
                for row in rows[at : at + BATCH_INPUTS]:
                    copy.write_row((*row[1:], row[0]))
        seconds = time.perf_counter() - start
    _drop(url, address.schema)
    return seconds


def _one(url: str, warm: Sequence[bytes], messages: Sequence[bytes]) -> float:
    schema = _schema()
    with write_path.folder() as place:
        ledger = _open(url, schema, place, create=True)
        write_path.record(ledger, warm, "warm")
        seconds = write_path.record(ledger, messages)
        _close(ledger)
    _drop(url, schema, f"{schema}_keys")
    return seconds


def _two(url: str, warm: Sequence[bytes], messages: Sequence[bytes]) -> float:
    schema, context = _schema(), multiprocessing.get_context("spawn")
    with write_path.folder() as place:
        _close(_open(url, schema, place, create=True))
        ready, told = context.Barrier(2), context.SimpleQueue()
        workers = [
            context.Process(
                target=_worker, args=(url, schema, place, number, warm[number::2], messages[number::2], ready, told)
            )
            for number in range(2)
        ]
        for worker in workers:
            worker.start()
        times = [told.get() for _ in workers]
        for worker in workers:
            worker.join()
    _drop(url, schema, f"{schema}_keys")
    return max(end for _, end in times) - min(start for start, _ in times)


def _worker(
    url: str,
    schema: str,
    place: Path,
    number: int,
    warm: Sequence[bytes],
    messages: Sequence[bytes],
    ready: Any,
    told: Any,
) -> None:
    ledger = _open(url, schema, place, create=False)
    write_path.record(ledger, warm, f"warm-{number}")
    ready.wait()
    start = time.monotonic()
    write_path.record(ledger, messages, f"bench-{number}")
    told.put((start, time.monotonic()))
    _close(ledger)


def _natural(url: str, messages: Sequence[bytes]) -> float:
    address = Address(url, _schema())
    known = address.parameters()
    with address.connect() as connection:
        connection.execute(f"CREATE SCHEMA {address.schema}")
    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": known["dbname"],
        "POSTGRES_HOST": known["host"],
        "POSTGRES_PORT": str(known.get("port", 5432)),
        "POSTGRES_USER": known["user"],
        "POSTGRES_PASSWORD": known.get("password", "none"),
        "POSTGRES_SCHEMA": address.schema,
    }
    with write_path.folder() as place:
        seconds = natural.record_naturally(
            place / "natural.db", [msgspec.json.decode(body) for body in messages], environment
        )
    _drop(url, address.schema)
    return seconds
