"""`pdl quarantine`: what could not be recorded, why, another try, or giving it up."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from consumers.cli.options import data_option, format_option, opened
from consumers.cli.render import one, rows
from consumers.cli.telling import waiting as told
from ledger.domain.errors import Unreadable

if TYPE_CHECKING:
    from consumers.wiring import Wired
    from ledger.store import Quarantined

WAITING = "waiting"
NUMBER = click.IntRange(1, 2**63 - 1)
"""What the store can count to."""


@click.group()
def quarantine() -> None:
    """See, retry or give up inputs that could not be recorded.

    They wait sealed, each with its place and its reason; nothing of them is shown unless it is asked for.

    \b
    Example:
      pdl quarantine list
      pdl quarantine show 7
      pdl quarantine retry
      pdl quarantine discard 7 --reason "test message of a developer"
    """


@quarantine.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what was recorded after all.")
@data_option
@format_option
def list_(everything: bool, form: str) -> None:
    """List what waits: place, reason, and what to do.

    \b
    Example:
      pdl quarantine list --format csv
    """
    with opened(write=False) as wired:
        found = [_row(row) for row in wired.log.quarantine() if everything or row.state == WAITING]
    rows(map(told, found) if form == "table" else found, form, nothing="Nothing waits in quarantine.")


@quarantine.command()
@click.argument("number", type=NUMBER)
@click.option(
    "--reveal",
    is_flag=True,
    help="Show the input itself; it may hold personal data. Recorded in the log before it is shown.",
)
@click.option("--reason", metavar="TEXT", help="Why it must be seen; needed with --reveal.")
@data_option
@format_option
def show(number: int, reveal: bool, reason: str | None, form: str) -> None:
    """Show one input in quarantine.

    \b
    Example:
      pdl quarantine show 7
      pdl quarantine show 7 --reveal --reason "producer asks what it sent"
    """
    if reveal and not reason:
        raise click.UsageError("--reveal needs --reason: seeing personal data is an access that somebody answers for")
    with opened(write=reveal) as wired:
        row = _one(wired, number)
        shown = _row(row)
        if reveal:
            shown["content"] = wired.accesses.reveal_quarantined(wired.ledger, row, reason or "").body.decode(
                errors="backslashreplace"
            )
    one(shown, form)


@quarantine.command()
@click.argument("numbers", type=NUMBER, nargs=-1, metavar="[NUMBER...]")
@data_option
@format_option
def retry(numbers: tuple[int, ...], form: str) -> int:
    """Try again to record what waits: all of it, or the numbers given.

    Worth it after a policy pack for the organisation came, its source was registered, or a newer version of `pdl`.

    \b
    Example:
      pdl quarantine retry
    """
    with opened(write=True) as wired:
        chosen = [_one(wired, number) for number in numbers] or [
            row for row in wired.log.quarantine() if row.state == WAITING
        ]
        outcomes = [{"number": row.number, "outcome": _retried(wired, row)} for row in chosen]
        wired.registers.catch_up()
    rows(outcomes, form, nothing="Nothing waits in quarantine.")
    return int(any(row["outcome"] == WAITING for row in outcomes))


@quarantine.command()
@click.argument("numbers", type=NUMBER, nargs=-1, required=True, metavar="NUMBER...")
@click.option("--reason", required=True, metavar="TEXT", help="Why it will never be recorded; sealed in the decision.")
@data_option
@format_option
def discard(numbers: tuple[int, ...], reason: str, form: str) -> None:
    """Give up what waits: it will never be recorded, and what was sealed of it goes.

    Recorded as a decision in the log; that something waited there, and why, stays to be seen with `list --all`.

    \b
    Example:
      pdl quarantine discard 7 8 --reason "test messages of a developer"
    """
    if not reason.strip():
        raise click.UsageError("--reason says why it may be given up; it cannot be empty")
    with opened(write=True) as wired:
        chosen = [_one(wired, number) for number in dict.fromkeys(numbers)]
        for row in chosen:
            wired.accesses.discard(row, reason)
        done = [{"number": row.number, "outcome": "discarded"} for row in chosen]
        wired.registers.catch_up()
    rows(done, form)


def _retried(wired: Wired, row: Quarantined) -> str:
    if row.state != WAITING:
        return row.state
    return wired.ledger.retry(row, f"quarantine:{secrets.token_hex(8)}")


def _one(wired: Wired, number: int) -> Quarantined:
    found: Iterable[Quarantined] = wired.log.quarantine(number)
    for row in found:
        return row
    raise Unreadable(f"there is no number {number} in quarantine; `pdl quarantine list --all` shows the numbers.")


def _row(row: Quarantined) -> dict[str, Any]:
    """A row without what is sealed. A Kafka stream is `kafka:CLUSTER:TOPIC-ID:PARTITION`."""
    parts = row.stream.split(":")
    return {
        "number": row.number,
        "reason": row.reason,
        "detail": row.detail,
        "topic": row.topic,
        "partition": int(parts[-1]) if parts[0] == "kafka" and parts[-1].isdigit() else None,
        "offset": row.place,
        "source": row.source,
        "id": row.event_id,
        "stream": row.stream,
        "recorded": row.recorded,
        "bytes": row.size,
        "state": row.state,
    }
