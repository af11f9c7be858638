"""How a long run shows itself on standard error: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import click

if TYPE_CHECKING:
    from ledger.service import Receipt

_LINE_SECONDS: Final = 10.0


class Bar(Protocol):
    """Something that shows how far a run is."""

    def total(self, size: int | None) -> None:
        """How much there is to do; None where nobody knows."""
        ...

    def moved(self, size: int, sentence: str) -> None:
        """So much more was done, and this is how it stands."""
        ...

    def say(self, sentence: str) -> None:
        """Write a line without spoiling the bar."""
        ...


class Plain:
    """A line on standard error every ten seconds."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._next = time.monotonic() + _LINE_SECONDS

    def total(self, size: int | None) -> None:
        """Nothing is drawn for a total."""

    def moved(self, size: int, sentence: str) -> None:  # noqa: ARG002 -- a line shows how it stands, not how far
        """Say how it stands, if it is time again."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _LINE_SECONDS
            self.say(f"{self._label}: {sentence}")

    def say(self, sentence: str) -> None:
        """Write a line."""
        click.echo(sentence, err=True)


class Drawn:
    """rich's progress bar."""

    def __init__(self, label: str) -> None:
        from rich.console import Console  # noqa: PLC0415 -- 70 ms, only when drawing
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 -- as above

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[sentence]}", markup=False),
        )
        self._progress = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(label, total=None, sentence="")
        self._progress.start()

    def total(self, size: int | None) -> None:
        """Draw towards this size."""
        if size is not None:
            self._progress.update(self._task, total=size)

    def moved(self, size: int, sentence: str) -> None:
        """Move the bar."""
        self._progress.update(self._task, advance=size, sentence=sentence)

    def say(self, sentence: str) -> None:
        """Write a line above the bar."""
        self._progress.console.print(sentence, markup=False, highlight=False)

    def close(self) -> None:
        """Take the bar away."""
        self._progress.stop()


@contextmanager
def bar(label: str) -> Iterator[Bar]:
    """A bar while the context lasts."""
    if not sys.stderr.isatty():
        yield Plain(label)
        return
    drawn = Drawn(label)
    try:
        yield drawn
    finally:
        drawn.close()


def steps(shown: Bar) -> Callable[[int, int], None]:
    """A bar as projections move it: (done, of how many)."""
    before = 0

    def move(done: int, total: int) -> None:
        nonlocal before
        shown.total(total)
        shown.moved(max(done - before, 0), f"{done:,} of {total:,}")
        before = max(done, before)

    return move


class Counts:
    """What became of the inputs of a run; the same words as the contract."""

    def __init__(self) -> None:
        self.recorded = 0
        self.duplicate = 0
        self.quarantined = 0

    def add(self, receipt: Receipt) -> None:
        """Add a batch."""
        self.recorded += receipt.recorded
        self.duplicate += receipt.duplicate
        self.quarantined += receipt.quarantined

    def row(self) -> dict[str, int]:
        """As the contract prints it."""
        return {"recorded": self.recorded, "duplicate": self.duplicate, "quarantined": self.quarantined}

    def __str__(self) -> str:
        return f"{self.recorded:,} recorded, {self.duplicate:,} duplicate, {self.quarantined:,} quarantined"
