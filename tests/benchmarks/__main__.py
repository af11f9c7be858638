"""`make bench`: every figure is a ratio to a limit measured in the same run; shuffled rounds, medians."""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence

from ledger.sealing import Record
from tests.benchmarks import erasing, kafka, million, postgres, registers, write_path
from tests.benchmarks.traffic import bodies


def main() -> None:
    """Run the short form (about two minutes) or, with --long, a million events."""
    options = argparse.ArgumentParser(prog="make bench")
    options.add_argument("--events", type=int, default=60_000)
    options.add_argument("--people", type=int, default=3_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--natural", type=int, default=1_500)
    options.add_argument(
        "--long", action="store_true", help="also the last 100,000 of a million against the first, and memory"
    )
    options.add_argument("--erasing", type=int, default=20_000, help="people among whom some are erased; 0: none")
    options.add_argument("--registers", action="store_true", help="only registers and judge")
    options.add_argument("--postgres", action="store_true", help="only the write path on PostgreSQL")
    options.add_argument("--kafka", action="store_true", help="only from a real broker to recorded")
    chosen = options.parse_args()
    if chosen.kafka:
        kafka.run(chosen.events, chosen.people, chosen.rounds, _say)
        return
    if chosen.postgres:
        postgres.run(chosen.events, chosen.people, chosen.rounds, chosen.natural, _say)
        return
    if not chosen.registers:
        _short(chosen)
        postgres.run(chosen.events, chosen.people, chosen.rounds, chosen.natural, _say)
    if chosen.long:
        _long()
    if chosen.erasing and not chosen.registers:
        erasing.run(1_000_000 if chosen.long else chosen.erasing, _say)
    registers.run(chosen.events, chosen.people, _say)


def _say(text: str) -> None:
    print(text, flush=True)


def _short(chosen: argparse.Namespace) -> None:
    warm_count = chosen.people * 4
    everything = list(bodies(warm_count + chosen.events, chosen.people))
    warm, events = everything[:warm_count], everything[warm_count:]
    _say(
        f"{chosen.events} events of {sum(map(len, events)) // len(events)} bytes, {chosen.people} people, {chosen.rounds} shuffled rounds"
    )
    rows = _finished(warm, events)
    taken: dict[str, list[float]] = defaultdict(list)
    for number in range(chosen.rounds):
        for name in random.Random(number).sample(["write path", "raw insert", "primitives", "natural"], 4):
            _round(name, warm, events, rows, taken, chosen.natural, chosen.people)
        sys.stderr.write(f"\rround {number + 1} of {chosen.rounds}")
    sys.stderr.write("\n")
    _report(taken, len(events), chosen.natural)


def _finished(warm: Sequence[bytes], events: Sequence[bytes]) -> list[Record]:
    with write_path.folder() as path:
        ledger = write_path.open_ledger(path)
        write_path.record(ledger, warm, "warm")
        after = ledger.log.size()
        write_path.record(ledger, events)
        return write_path.finished_rows(ledger, after)


def _round(
    name: str,
    warm: Sequence[bytes],
    events: Sequence[bytes],
    rows: Sequence[Record],
    taken: dict[str, list[float]],
    natural: int,
    people: int,
) -> None:
    if name == "write path":
        with write_path.folder() as path:
            ledger = write_path.open_ledger(path)
            write_path.record(ledger, warm, "warm")
            taken[name].append(write_path.record(ledger, events))
    elif name == "raw insert":
        taken[name].append(write_path.raw_insert(rows))
    elif name == "primitives":
        for part, seconds in write_path.primitives(events, rows).items():
            taken[f"primitive {part}"].append(seconds)
    else:  # As many events a person as on the write path.
        taken[name].append(write_path.natural(list(bodies(natural, max(1, natural * people // len(events))))))


def _report(taken: dict[str, list[float]], events: int, natural: int) -> None:
    median = {name: statistics.median(seconds) for name, seconds in taken.items()}
    path = median["write path"] / events
    parts = sum(seconds for name, seconds in median.items() if name.startswith("primitive")) / events
    for name, seconds in sorted(median.items()):
        count = natural if name == "natural" else events
        _say(f"  {name:22} {seconds / count * 1e6:8.2f} us an event {count / seconds:10,.0f} events/s")
    _say(f"write path / raw insert of the same rows   {median['raw insert'] / events / path:6.3f}  (reach 0.18)")
    _say(f"write path / sum of its primitives         {parts / path:6.3f}  (reach 0.55)")
    _say(f"write path / natural use of the library    {median['natural'] / natural / path:6.1f}  (reach 30)")
    _say(
        f"peak memory of this process                {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:6.0f} MiB (with all inputs)"
    )


def _long() -> None:
    """The last 100,000 of a million against the first, relative to the bare events table; and peak memory."""
    million.run(_say)


if __name__ == "__main__":
    main()
