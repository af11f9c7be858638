"""`pdl status`, `register`, `subject` and `rebuild`: questions to the ledger and its registers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from consumers.cli import DONE, NO
from consumers.cli.options import MOMENT, data_option, format_option, from_input, opened
from consumers.cli.people import dossier, draw_dossier, known_organisation, named, revealed, spread
from consumers.cli.progress import bar, steps
from consumers.cli.render import one, plain, rows, table
from consumers.cli.source import complete_up_to, who_may_speak
from consumers.cli.telling import told
from consumers.stores import places

if TYPE_CHECKING:
    from consumers.settings import Settings
    from consumers.wiring import Wired


@click.command()
@data_option
@format_option
def status(form: str) -> None:
    """Account for every input, and say how far the registers are.

    Every input is one of: recorded (events), duplicate, or quarantined. `decisions` are the ledger's own records.

    \b
    Example:
      pdl status --format json
    """
    with opened(write=False) as wired:
        found = status_of(wired)
        settings, speaking = wired.settings, who_may_speak(wired.sources.registrations())
        lost = wired.keys.log_seen() - wired.log.size()
    if lost > 0:
        click.echo(
            f"pdl: the keys saw {lost:,} records more than this log has; see `pdl verify`, and restore the newest log.",
            err=True,
        )
    if form != "table":
        one(found, form)
        return
    counts = {name: f"{found[name]:,}" for name in ("events", "decisions", "duplicates", "quarantined", "people")}
    for name, count in counts.items():
        click.echo(f"{name:<12}{count:>12}")
    click.echo()
    table([{"source": name, **state} for name, state in found["sources"].items()], nothing="No source was heard yet.")
    click.echo()
    behind = [{"register": name, **state} for name, state in found["registers"].items() if state["lag"]]
    table(behind, nothing=f"All {len(found['registers'])} registers follow the log to its end.")
    click.echo(f"\napproval = {settings.approval}: whoever may run `pdl erase` here can erase alone.")
    click.echo(where_keys_are(settings))
    for name, place in found["stores"].items():
        click.echo(f"{name}: {place}")
    click.echo(speaking)


def where_keys_are(settings: Settings) -> str:
    """What the settings alone and mirror say, in a sentence."""
    if settings.mirror is None:
        return "alone = true: the keys stand on this disk only."
    return f"mirror = {settings.mirror}: the keys stand there as well (`pdl keys status`)."


def status_of(wired: Wired) -> dict[str, Any]:
    """What `pdl status` says, as the contract prints it."""
    log = wired.log
    decisions = len(log.decisions())
    heard = {name: state for name, state in log.sources().items() if not name.startswith(("quarantine:", "operator:"))}
    waiting = [row for row in log.quarantine() if row.state == "waiting"]
    return {
        "events": log.size() - decisions,
        "decisions": decisions,
        "quarantined": len(waiting),
        "duplicates": sum(state.tallies.get("duplicate", 0) for state in heard.values()),
        "people": sum(wired.keys.people().values()),
        "sources": {
            name: {"mark": state.mark, "last_heard": state.last_heard} for name, state in sorted(heard.items())
        },
        "registers": {name: lag._asdict() for name, lag in sorted(wired.registers.lag().items())},
        "stores": places(wired.settings, wired.data),
    }


@click.command()
@click.argument("name", required=False, metavar="NAME")
@click.option("--organisation", metavar="ORG", help="Only this organisation's rows.")
@click.option(
    "--as-of", type=MOMENT, metavar="TIME", help="What was true at that time (a date: at the end of that day)."
)
@click.option("--known-at", type=MOMENT, metavar="TIME", help="Only what the ledger had recorded by then.")
@data_option
@format_option
def register(
    name: str | None, organisation: str | None, as_of: datetime | None, known_at: datetime | None, form: str
) -> None:
    """Print a register: findings, retention, disclosures, consents ...

    Registers hold no personal values: people are pseudonyms. Without NAME, the registers are listed.

    \b
    Example:
      pdl register findings --organisation ORG
      pdl register retention --as-of 2026-03-01 --format csv
    """
    with opened(write=False) as wired:
        if name is None:
            rows(_registers(), form)
            return
        _follow(wired)
        if organisation is not None:
            known_organisation(wired, organisation)
        found = named(
            wired,
            wired.registers.rows(name, now=wired.clock(), organisation=organisation, as_of=as_of, known_at=known_at),
        )
        shown = [told(name, row) for row in found] if form == "table" else found
        complete = complete_up_to(wired, organisation) if form == "table" else None
        rows(shown, form, nothing=f"The register {name} has no rows here.")
        if form == "table" and any("~" in plain(value) for row in shown for value in row.values()):
            click.echo(
                "pdl: ~... stands for a reference, or an id that no statement lists; its text is sealed.", err=True
            )

        if complete:
            click.echo(f"\n{complete}")


def _registers() -> list[dict[str, Any]]:
    from projections.registers import ALL  # noqa: PLC0415 -- with the ledger, not before

    return [{"register": found.name, "shows": found.help} for found in ALL]


@click.command()
@click.argument("name", required=False, metavar="[NAME]")
@data_option
@format_option
def rebuild(name: str | None, form: str) -> None:
    """Build registers anew from the log: all of them, or one.

    Never needed for correctness: the result is identical. Registers of an older version are rebuilt by themselves.

    \b
    Example:
      pdl rebuild findings
    """
    with opened(write=True) as wired, bar("rebuilding") as shown:
        wired.registers.rebuild(name, steps(shown))
        lags = wired.registers.lag()
    rows([{"register": each, **lag._asdict()} for each, lag in sorted(lags.items()) if name in (None, each)], form)


@click.command()
@click.argument("scheme", metavar="SCHEME")
@click.argument("value", metavar="VALUE")
@click.option("--organisation", metavar="ORG", help="Only what this organisation keeps.")
@click.option("--reveal", is_flag=True, help="Open the sealed values; recorded in the log before it is shown.")
@click.option("--reason", metavar="TEXT", help="Why they must be seen; needed with --reveal.")
@data_option
@format_option
def subject(scheme: str, value: str, organisation: str | None, reveal: bool, reason: str | None, form: str) -> int:
    """Show what is held about one person, and the trail of it.

    The person is named as services name them: a scheme (email, customer-number ...) and a value. A value that
    begins with `-` or that a shell history should not keep: write `-` and give it on standard input.

    \b
    Example:
      pdl subject email ada@example.org
      pdl subject email ada@example.org --reveal --reason "access request 2026-17"
    """
    if reveal and not reason:
        raise click.UsageError("--reveal needs --reason: seeing personal data is an access that somebody answers for")
    with opened(write=reveal) as wired:
        _follow(wired)
        found = dossier(wired, scheme, from_input(value), organisation)
        if reveal:
            found["trail"] = revealed(wired, found, reason or "")
    if form == "csv":
        rows((spread(row) for row in found["trail"]), form)
    elif form == "json":
        one(found, form)
    else:
        draw_dossier(found, revealed=reveal)
    return DONE if found["people"] or found["erased"] else NO


def _follow(wired: Wired) -> None:
    """Let the registers catch up; with a bar if that takes a while."""
    with bar("registers follow") as shown:
        wired.registers.catch_up(steps(shown))
