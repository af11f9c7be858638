"""A million events: whether the last 100,000 go as fast as the first, and whether memory stays flat."""

from __future__ import annotations

import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from ledger.service import BATCH_INPUTS, Input, Ledger
from tests.benchmarks.traffic import bodies
from tests.benchmarks.write_path import CREATE, folder, open_ledger, record

BLOCK = 100_000
BLOCKS = 10
PEOPLE = 5_000
WARM = 20_000


def run(say: Callable[[str], None]) -> None:
    """Record ten blocks; write the same rows into a bare table beside it, block by block."""
    with folder() as path:
        ledger = open_ledger(path)
        bare = _bare(path / "bare.db")
        stream = bodies(WARM + BLOCK * BLOCKS, PEOPLE)
        record(ledger, list(islice(stream, WARM)), "warm")  # So that no block pays for making keys.
        before = ledger.log.size()
        seconds, bare_seconds = [], []
        for block in range(BLOCKS):
            seconds.append(_record(ledger, stream, block))
            bare_seconds.append(_copy(ledger, bare, before + block * BLOCK))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            say(
                f"  block {block + 1:2}: {BLOCK / seconds[-1]:8,.0f} events/s, bare table {BLOCK / bare_seconds[-1]:8,.0f} rows/s, peak memory {peak:4.0f} MiB"
            )
        first, last = seconds[0] / bare_seconds[0], seconds[-1] / bare_seconds[-1]
        say(f"last 100,000 of a million / first 100,000, relative to the bare table: {first / last:5.2f}  (reach 0.85)")


def _record(ledger: Ledger, stream: Iterator[bytes], block: int) -> float:
    taken = 0.0
    for batch in range(BLOCK // BATCH_INPUTS):
        at = block * BLOCK + batch * BATCH_INPUTS
        inputs = [Input(at + index, body) for index, body in enumerate(islice(stream, BATCH_INPUTS))]
        start = time.perf_counter()
        ledger.record(inputs, "bench", inputs[-1].place)
        taken += time.perf_counter() - start
    return taken


def _bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536", "wal_autocheckpoint = 8000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(CREATE)
    return connection


def _copy(ledger: Ledger, bare: sqlite3.Connection, after: int) -> float:
    taken = 0.0
    for batch in range(BLOCK // BATCH_INPUTS):
        rows = [row[1:] for row in ledger.log.read(after + batch * BATCH_INPUTS, BATCH_INPUTS)]
        start = time.perf_counter()
        bare.execute("BEGIN")
        bare.executemany("INSERT INTO stored_events VALUES (?, ?, ?, ?)", rows)
        bare.execute("COMMIT")
        taken += time.perf_counter() - start
    return taken
