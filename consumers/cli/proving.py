"""`pdl verify`, `checkpoint`, `key` and `prove`: evidence that others can check with tools that are not ours."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import click

from consumers.cli import NO
from consumers.cli.options import data_option, format_option, opened
from consumers.cli.progress import bar
from consumers.cli.render import one

if TYPE_CHECKING:
    from ledger.sealing import Record

PROBLEMS_MAX: Final = 100


@click.command()
@data_option
@format_option
def verify(form: str) -> int:
    """Re-read every record and compare it with the evidence tree.

    Every record is hashed again, the tree built again, and compared with the stored one and with every checkpoint
    that was ever signed. Then what stands beside the log (ids, decisions, marks, counts, quarantine) is compared
    with it. Exit status 1 when something does not fit.

    \b
    Example:
      pdl verify
    """
    from ledger.evidence.verify import verify as compare  # noqa: PLC0415 -- only this command needs it
    from ledger.fsck import disagreements  # noqa: PLC0415 -- as above

    with opened(write=False) as wired, bar("verifying") as shown:
        shown.total(wired.log.size())
        before = 0

        def progress(count: int) -> None:
            nonlocal before
            shown.moved(count - before, f"{count:,} records")
            before = count

        report = compare(wired.log, _leaf, keys=[wired.signer.key], progress=progress)
        if report.ok:
            beside = tuple(islice(disagreements(wired.log, wired.keys), PROBLEMS_MAX))
            report = report._replace(ok=not beside, problems=beside)
    if form == "table":
        click.echo(f"{'OK' if report.ok else 'NOT OK'}: {report.events:,} records, root {report.root}")
        for problem in report.problems:
            click.echo(f"  - {problem}")
        if not report.ok:
            click.echo("Keep these files as they are, take a copy, and compare it with the last backup that verified.")
    else:
        one(report._asdict(), form)
    return 0 if report.ok else NO


@click.command()
@data_option
def checkpoint() -> None:
    """Sign the head of the log (a C2SP signed note).

    Keep it, or have a witness cosign it: whatever changes below it afterwards, `pdl verify` will say so.

    \b
    Example:
      pdl checkpoint > 2026-11-23.checkpoint
    """
    with opened(write=False) as wired:
        click.echo(wired.checkpoint(), nl=False)


@click.command()
@data_option
def key() -> None:
    """Print the verifier key of this ledger's checkpoints.

    \b
    Example:
      pdl key > ledger.vkey
    """
    with opened(write=False) as wired:
        click.echo(str(wired.signer.key))


@click.command()
@click.argument("event_id", metavar="EVENT-ID")
@click.option("--source", metavar="SOURCE", help="Which source's event, where several used the same id.")
@data_option
def prove(event_id: str, source: str | None) -> int:
    """Prove that an event is in the log (a C2SP tlog-proof).

    The proof holds the record's clear part and the hashes of its sealed parts, no personal values, and can be
    checked offline against `pdl key`.

    \b
    Example:
      pdl prove 01920000-0000-7000-8000-000000000000 > event.tlog-proof
    """
    from ledger.evidence.proof import make_proof  # noqa: PLC0415 -- only this command needs it

    with opened(write=False) as wired:
        places = [position for name, position in wired.log.position_of(event_id) if source in (None, name)]
        if not places:
            click.echo("pdl: no event with that id is recorded here.", err=True)
            return NO
        if len(places) > 1:
            raise click.UsageError(f"{len(places)} sources used that id; name one with --source")
        (record,) = wired.log.read(places[0] - 1, 1)
        note = wired.checkpoint()
        size = int(note.split("\n", 2)[1])
        proof = make_proof(record.position - 1, _leaf(record), size, wired.tile, note)
    click.echo(str(proof), nl=False)
    return 0


def _leaf(record: Record) -> bytes:
    from ledger.sealing import leaf_of  # noqa: PLC0415 -- with the ledger, not before

    return leaf_of(record.stream, record.version, record.topic, record.state)
