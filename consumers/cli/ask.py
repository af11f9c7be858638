"""`pdl status`, `register`, `subject` and `rebuild`: questions to the ledger and its registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from consumers.cli.options import data_option, format_option, opened
from consumers.cli.render import echo_json, one, rows, table

if TYPE_CHECKING:
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
        settings = wired.settings
    if form != "table":
        one(found, form)
        return
    counts = {name: f"{found[name]:,}" for name in ("events", "decisions", "duplicates", "quarantined", "people")}
    for name, count in counts.items():
        click.echo(f"{name:<12}{count:>12}")
    click.echo()
    table([{"source": name, **state} for name, state in found["sources"].items()], nothing="No source was heard yet.")
    click.echo()
    table([{"register": name, **state} for name, state in found["registers"].items()], nothing="No register was built yet.")
    click.echo(f"\napproval = {settings.approval}: whoever may run `pdl erase` here can erase alone.")
    click.echo("alone = true: the keys stand on this disk only. Every source may speak for every organisation.")


def status_of(wired: Wired) -> dict[str, Any]:
    """What `pdl status` says, as the contract prints it."""
    log = wired.log
    decisions = len(log.decisions())
    heard = {name: state for name, state in log.sources().items() if not name.startswith("quarantine:")}
    waiting = [row for row in log.quarantine() if row.state == "waiting"]
    return {
        "events": log.size() - decisions,
        "decisions": decisions,
        "quarantined": len(waiting),
        "duplicates": sum(state.tallies.get("duplicate", 0) for state in heard.values()),
        "people": sum(wired.keys.people().values()),
        "sources": {name: {"mark": state.mark, "last_heard": state.last_heard} for name, state in sorted(heard.items())},
        "registers": wired.register_marks(),
    }
