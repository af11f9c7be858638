"""The write path against what it stands on: raw inserts, its own primitives, and natural use of eventsourcing."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consumers.wiring import quiet_collector
from ledger.domain.envelope import decode
from ledger.keys.sqlite import open_key_store
from ledger.policy.packs import builtin_packs
from ledger.sealing import Record, ciphertexts, header_bytes, header_of, leaf_of, nonce_of
from ledger.service import BATCH_INPUTS, Input, Ledger
from ledger.store.sqlite import SQLiteEventLog
from tests.benchmarks.natural import record_naturally

CREATE = (
    "CREATE TABLE stored_events (originator_id TEXT, originator_version INTEGER, topic TEXT, state BLOB,"
    " PRIMARY KEY (originator_id, originator_version))"
)


@contextmanager
def folder() -> Iterator[Path]:
    """A fresh folder beside the checkout's cache, removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="pdl-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def open_ledger(path: Path) -> Ledger:
    """A ledger on SQLite as `pdl` opens it, without the edges."""
    quiet_collector()
    log = SQLiteEventLog(path / "log.db", create=True)
    keys = open_key_store(path, ledger_id=log.ledger_id, create=True)
    return Ledger(log, keys, builtin_packs(), lambda: datetime.now(UTC))


def batches(bodies: Sequence[bytes]) -> Iterator[list[Input]]:
    """Inputs in batches of the size that the edges use."""
    for at in range(0, len(bodies), BATCH_INPUTS):
        yield [Input(at + index, body) for index, body in enumerate(bodies[at : at + BATCH_INPUTS])]


def record(ledger: Ledger, bodies: Sequence[bytes], stream: str = "bench") -> float:
    """Seconds to record everything; warm keys are the caller's business."""
    start = time.perf_counter()
    for inputs in batches(bodies):
        ledger.record(inputs, stream, inputs[-1].place)
    return time.perf_counter() - start


def finished_rows(ledger: Ledger, after: int) -> list[Record]:
    """What the write path stored, for writing it again raw."""
    return [row for row in ledger.log.read(after, 10_000_000) if row.topic.startswith("pdl.")]


def raw_insert(rows: Sequence[Record]) -> float:
    """Seconds for `executemany` of the same finished rows into the library's own table, in the same batches."""
    with folder() as path:
        connection = sqlite3.connect(path / "raw.db", isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536", "wal_autocheckpoint = 8000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(CREATE)
        start = time.perf_counter()
        for at in range(0, len(rows), BATCH_INPUTS):
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO stored_events VALUES (?, ?, ?, ?)", [row[1:] for row in rows[at : at + BATCH_INPUTS]]
            )
            connection.execute("COMMIT")
        seconds = time.perf_counter() - start
        connection.close()
        return seconds


def primitives(bodies: Sequence[bytes], rows: Sequence[Record]) -> dict[str, float]:
    """Seconds of each primitive alone over the same events: decode, seal, hash, insert."""
    headers = [header_bytes(row.state) for row in rows]
    plains = [[b"x" * (len(sealed) - 16) for sealed in ciphertexts(row.state)] for row in rows]
    nonces = [nonce_of(header_of(row.state).salt) for row in rows]
    leaves = [leaf_of(*row[1:]) for row in rows]
    sealed = [ciphertexts(row.state) for row in rows]
    aead = AESGCM(AESGCM.generate_key(256))
    return {
        "decode": _timed(lambda: [decode(body) for body in bodies]),
        "AEAD": _timed(
            lambda: [
                aead.encrypt(nonce, plain, header)
                for header, several, nonce in zip(headers, plains, nonces, strict=True)
                for plain in several
            ]
        ),
        "SHA-256": _timed(
            lambda: (
                [hashlib.sha256(leaf).digest() for leaf in leaves],
                [hashlib.sha256(part).digest() for several in sealed for part in several],
            )
        ),
        "insert": raw_insert(rows),
    }


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def natural(bodies: Sequence[bytes]) -> float:
    """Seconds for the same events in natural use of the library: load, trigger, save, AESCipher, one projection."""
    with folder() as path:
        return record_naturally(path / "natural.db", [msgspec.json.decode(body) for body in bodies])
