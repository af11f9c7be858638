"""`pdl keys`: how the hierarchy of keys stands, and what an operator may do to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consumers.cli import DONE, NO
from consumers.cli.options import data_option, format_option, opened
from consumers.cli.render import one, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.wiring import Wired
    from ledger.keys import Closed


@click.group()
def keys() -> None:
    """Say how the keys stand; close an epoch; fill the mirror.

    Erasing stops all use of a key at once. Copies of the key database from before can be opened until the epoch
    closes: then everything that lives is wrapped anew, and the root of those copies is destroyed.

    \b
    Example:
      pdl keys status
      pdl keys close-epoch
    """


@keys.command()
@data_option
@format_option
def status(form: str) -> None:
    """Say which epoch runs, what waits for its end, and whether the keys have a mirror.

    \b
    Example:
      pdl keys status --format json
    """
    with opened(write=False) as wired:
        found = _status(wired)
    if form != "table":
        one(found, form)
        return
    for name in ("epoch", "root", "kind", "buckets", "stale_buckets", "keys", "pending", "due"):
        shown = found[name]
        click.echo(
            f"{name.replace('_', ' '):<14}{'-' if shown is None else f'{shown:,}' if isinstance(shown, int) else shown}"
        )
    click.echo()
    for sentence in _said(found):
        click.echo(sentence)


def _status(wired: Wired) -> dict[str, Any]:
    from datetime import timedelta  # noqa: PLC0415 -- only here

    from ledger.domain.calendar import local  # noqa: PLC0415 -- with the ledger, not before

    found = wired.keys.status()
    due = None if found.since is None else found.since + timedelta(minutes=wired.settings.epoch_minutes)
    last = found.last
    return {
        "epoch": found.epoch,
        "root": found.root,
        "kind": found.kind,
        "buckets": found.buckets,
        "stale_buckets": found.stale,
        "keys": found.keys,
        "pending": len(found.pending),
        "pending_cases": list(found.pending),
        "since": None if found.since is None else local(found.since).isoformat(),
        "due": None if due is None else local(due).isoformat(timespec="seconds"),
        "unfinished": found.unfinished,
        "alone": wired.settings.alone,
        "mirror": found.mirror,
        "mirror_state": _mirror_state(wired),
        "last_closed": None if last is None else _closed(last),
    }


def _mirror_state(wired: Wired) -> str | None:
    """In a word, without opening it: absent, empty, same-disk or there."""
    if wired.settings.mirror is None:
        return None
    folder = wired.data / wired.settings.mirror
    if not folder.is_dir():
        return "absent"
    if folder.stat().st_dev == wired.data.stat().st_dev:
        return "same-disk"
    return "there" if (folder / "keys.db").exists() else "empty"


def _counted(pending: list[str]) -> str:
    """Erasures first: a case's own key and the ingest keys are destroyed in epochs as well, and erase nobody."""
    erasures = sum(name.startswith("case-") and "." not in name for name in pending)
    others = len(pending) - erasures
    parts = [f"{erasures} erasure(s)"] if erasures else []
    parts += [f"{others} other destroyed key(s)"] if others else []
    return " and ".join(parts) + " are"


def _said(found: dict[str, Any]) -> list[str]:
    said = []
    if found["unfinished"]:
        said.append("An epoch ended and its old root still exists: `pdl keys close-epoch` says what prevents its end.")
    if found["pending"]:
        said.append(
            f"{_counted(found['pending_cases'])} not irreversible yet: use has stopped, but older copies of the keys still open."
        )
    last = found["last_closed"]
    if last is not None:
        said.append(
            f"Epoch {last['epoch']} was closed at {last['irreversible']}, with {len(last['cases'])} erasures in it."
        )
    mirror = {
        None: "alone = true: the keys stand on this disk only.",
        "absent": f"The mirror {found['mirror']} is not there: no epoch closes until it is.",
        "empty": f"The mirror {found['mirror']} is empty: `pdl keys mirror` fills it.",
        "same-disk": f"The mirror {found['mirror']} is on the same disk: it does not survive the loss of that.",
        "there": f"The mirror is {found['mirror']}.",
    }
    said.append(mirror[found["mirror_state"]])
    return said


def _closed(closed: Closed) -> dict[str, Any]:
    from ledger.domain.calendar import local  # noqa: PLC0415 -- with the ledger, not before

    return {
        "epoch": closed.epoch,
        "root_destroyed": closed.root,
        "irreversible": local(closed.at).isoformat(timespec="seconds"),
        "cases": list(closed.cases),
        "mirrored": closed.mirrored,
    }


def _show(closed: Sequence[Closed], form: str, nothing: str) -> None:
    found = [_closed(row) for row in closed]
    if form == "table":
        found = [row | {"cases": len(row["cases"])} for row in found]
    rows(found, form, nothing=nothing)


@keys.command("close-epoch")
@data_option
@format_option
def close_epoch(form: str) -> None:
    """Make irreversible what was erased: wrap what lives anew, and destroy the old root.

    Happens by itself some minutes after an erasure (setting epoch_minutes), by whatever command writes next.
    Nothing happens where nothing was erased since the last time.

    \b
    Example:
      pdl keys close-epoch
    """
    with opened(write=True) as wired:
        wired.epochs.close()
        _show(wired.epochs.closed, form, "Nothing was erased in this epoch; it goes on.")


@keys.command()
@click.option("--buckets", is_flag=True, help="Also give every bucket a new key, as after a leak of root and database.")
@data_option
@format_option
def rotate(buckets: bool, form: str) -> None:
    """Replace the root, whether or not anything was erased.

    Data keys stay: what they sealed is not sealed anew. Whoever had root and key database together before had them
    all.

    \b
    Example:
      pdl keys rotate --buckets
    """
    with opened(write=True) as wired:
        wired.epochs.close(always=True, every_bucket=buckets)
        _show(wired.epochs.closed, form, "")


@keys.command()
@data_option
def mirror() -> int:
    """Put the present state of the keys into the mirror; at the end of an epoch that happens by itself.

    Keys that were made since the last time are lost with this disk: run it as often as you can bear to lose.
    Exit status 3 when the mirror is not there.

    \b
    Example:
      pdl keys mirror
    """
    with opened(write=True) as wired:
        if wired.settings.mirror is None:
            click.echo(
                "alone = true: this ledger has no mirror. Name a folder on another disk as `mirror` in pdl.toml."
            )
            return NO
        wired.keys.send_to_mirror()
        found = wired.keys.status()
        click.echo(f"The mirror {Path(found.mirror or '')} has epoch {found.epoch}: {found.keys:,} keys.")
        return DONE
