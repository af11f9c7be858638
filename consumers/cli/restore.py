"""`pdl restore --rehearse`: whether a set of files belongs together, before anything is put in place."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import click

from consumers.cli import DONE, NO
from consumers.cli.options import data_option, format_option
from consumers.cli.render import one, rows
from ledger.domain.errors import Unreadable


@click.command()
@click.option("--rehearse", is_flag=True, required=True, help="Say what would come of it; touch nothing.")
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with one or more of log.db, keys.db, root/ and erasures.journal; may be given several times, the "
    "last that has a part counts.  [default: the data directory]",
)
@data_option
@format_option
def restore(rehearse: bool, sources: tuple[Path, ...], form: str) -> int:
    """Rehearse a restore: say whether these files open together, and what stays erased.

    Copies of log, keys and journal are opened in a temporary folder as the ledger would open them; the root is only
    read. Every key that the log names is looked for. Whoever restores then copies the files into place: see
    docs/how-to/back-up-and-restore.md. Exit status 1 when they do not fit.

    \b
    Example:
      pdl restore --rehearse --from /backup/log --from /mirror
    """
    from consumers import restoring  # noqa: PLC0415 -- with the ledger, not before
    from consumers.settings import read_settings  # noqa: PLC0415 -- as above
    from consumers.wiring import data_directory, roots_of  # noqa: PLC0415 -- as above

    del rehearse
    for source in sources:
        if not source.is_dir():
            raise Unreadable(
                f"{source} is no folder: --from names a folder with log.db, keys.db, root/ or the journal."
            )
    data = data_directory(click.get_current_context().find_root().obj)
    settings = read_settings(data, os.environ)
    if settings.log_database or settings.keys_database:
        raise Unreadable(
            "this rehearses a ledger in files. A database is restored with its own tools; rehearse the mirror of the keys "
            "with a copy of the log in a folder whose pdl.toml names no database."
        )
    parts = restoring.gathered(data, sources)
    found = restoring.rehearse(parts, partial(roots_of, settings, parts[restoring.ROOT].parent))
    if form == "table":
        rows([row._asdict() | {"fits": "yes" if row.fits else "NO"} for row in found.findings], form)
        click.echo("\nThese files belong together." if found.fits else "\nDo not restore these files together.")
    else:
        one(found._asdict() | {"findings": [row._asdict() for row in found.findings]}, form)
    return DONE if found.fits else NO
