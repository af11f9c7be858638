"""Erasing one of many people, many at once, and the end of the epoch; what readers and writers feel of it meanwhile."""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ledger.keys import Identifier, Order, Scope
from ledger.keys.sqlite import open_key_store
from ledger.keys.store import WrappedKeyStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BATCH = 2_000
MONTHS = 24


def filled(path: Path, people: int, say: Callable[[str], None]) -> tuple[WrappedKeyStore, list[Scope]]:
    """A key store with so many people, one dataset each, met over two years; and their scopes, oldest first."""
    keys = open_key_store(path, ledger_id="bench", create=True)
    scopes: list[Scope] = []
    started = time.perf_counter()
    for first in range(0, people, BATCH):
        names = [Identifier("acme", "email", f"person-{number}@example.org") for number in range(first, first + BATCH)]
        found = keys.resolve(names, create=names)
        its = [Scope("acme", "", str(found[name]), "forms/forms") for name in names]
        month = first * MONTHS // people
        keys.obtain(its, month=f"{2024 + month // 12}-{month % 12 + 1:02}")
        scopes += its
        keys.forget(first)
    each = (time.perf_counter() - started) / people * 1e6
    say(f"{people:,} people made, {each:.0f} us each (person, key, both ways); {keys.status().buckets:,} buckets")
    return keys, scopes


def run(people: int, say: Callable[[str], None]) -> None:
    """Every figure of issue 6 that concerns keys, in one run."""
    with tempfile.TemporaryDirectory(prefix="pdl-bench-") as folder:
        place = Path(folder)
        keys, scopes = filled(place, people, say)
        chance = random.Random(7)
        chance.shuffle(one_by_one := list(range(people // 2, people)))
        _one_each(keys, [scopes[number] for number in one_by_one[:200]], say)
        swept = 200 + min(10_000, people // 10)
        _sweeps(keys, scopes, one_by_one[200:swept], say)
        survivors = [scopes[number] for number in one_by_one[swept : swept + 20_000]]
        _end_of_epoch(keys, place, survivors, say)
        keys.close()
        started = time.perf_counter()
        open_key_store(place, ledger_id="bench", create=False).close()
        say(f"opened again, with the journal looked through: {(time.perf_counter() - started) * 1e3:.0f} ms")


def _one_each(keys: WrappedKeyStore, scopes: Sequence[Scope], say: Callable[[str], None]) -> None:
    taken = []
    for number, scope in enumerate(scopes):
        started = time.perf_counter()
        keys.destroy([], people=[scope.person], case=f"one-{number}", generation=number, at=NOW)
        taken.append((time.perf_counter() - started) * 1e3)
    cuts = statistics.quantiles(taken, n=100)
    say(f"erase one, to use stopped: p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, most {max(taken):.1f} ms")


def _sweeps(keys: WrappedKeyStore, scopes: Sequence[Scope], spread: Sequence[int], say: Callable[[str], None]) -> None:
    """The oldest 10,000, whose buckets go whole, against 10,000 spread over all buckets."""
    count = len(spread)
    whole = [Order(f"whole-{number}", [scopes[number]]) for number in range(count)]
    apart = [Order(f"apart-{number}", [scopes[number]]) for number in spread]
    taken = {}
    for name, orders in (("whole", whole), ("apart", apart)):
        started = time.perf_counter()
        done = keys.destroy_each(orders, generation=1_000, at=NOW)
        taken[name] = (time.perf_counter() - started) / count * 1e6
        assert sum(len(one.key_ids) for one in done.values()) == count
    say(
        f"sweep of {count:,} cases: {taken['whole']:.0f} us a key where buckets go whole, {taken['apart']:.0f} us spread, "
        f"{taken['apart'] - taken['whole']:.0f} us beyond"
    )


def _end_of_epoch(keys: WrappedKeyStore, place: Path, scopes: Sequence[Scope], say: Callable[[str], None]) -> None:
    """The end of the epoch, while another connection reads cold keys and this one makes new ones."""
    status = keys.status()
    other = open_key_store(place, ledger_id="bench", create=False)
    stop = threading.Event()
    waits: dict[str, list[float]] = {"read": [0.0], "write": [0.0]}

    def read() -> None:
        for first in range(0, len(scopes), 20):
            if stop.is_set():
                break
            started = time.perf_counter()
            other.obtain(scopes[first : first + 20])
            waits["read"].append((time.perf_counter() - started) * 1e3)

    def write() -> None:
        number = 0
        while not stop.is_set():
            scope, number = Scope("acme", "", f"{number:032x}", "new/new"), number + 1
            started = time.perf_counter()
            keys.obtain([scope], month="2026-03")
            waits["write"].append((time.perf_counter() - started) * 1e3)
            time.sleep(0.005)

    threads = [threading.Thread(target=read), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    started = time.perf_counter()
    (closed,) = keys.close_epoch(at=NOW)
    ended = time.perf_counter() - started
    stop.set()
    for thread in threads:
        thread.join()
    other.close()
    say(
        f"end of the epoch: {ended:.2f} s for {len(closed.cases):,} cases, {status.stale:,} of {status.buckets:,} buckets wrapped "
        f"anew ({ended / max(status.stale, 1) * 1e3:.1f} ms each)"
    )
    say(
        f"meanwhile: {len(waits['read'])} reads, longest {max(waits['read']):.0f} ms; writes, longest {max(waits['write']):.0f} ms"
    )


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks.erasing")
    options.add_argument("--people", type=int, default=100_000)
    run(options.parse_args().people, lambda text: print(text, flush=True))
