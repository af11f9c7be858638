"""`pdl policy new`: a pack to begin with."""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Final

import click

from consumers.cli.statements import read_text, statement_option
from ledger.policy.sentences import sentences


@click.command()
@click.argument("org")
@click.option("--name", metavar="NAME", help="The organisation's name as it publishes it.")
@click.option("--effective-from", type=click.DateTime(["%Y-%m-%d"]), help="First day on which the statement binds.")
@statement_option
def new(org: str, name: str | None, effective_from: datetime | None, statement: Path | None) -> None:
    """Print a commented pack to begin with, for an organisation whose id is ORG; with the text, its sentences below.

    For example: pdl policy new voorbeeld --name "Voorbeeld B.V." --statement privacy.txt > voorbeeld.toml
    """
    if not _ID.fullmatch(org):
        message = "ORG is an id: lower-case letters, digits and hyphens, beginning with a letter."
        raise click.UsageError(message)
    text = "" if statement is None else read_text(statement)
    day = effective_from.date() if effective_from is not None else _LAW_BINDS
    template = resources.files("consumers.cli").joinpath("new_pack.toml").read_text(encoding="utf-8")
    written = template.format(
        organisation=org,
        name=(name or org).replace("\\", "").replace('"', "'"),
        prefix=_prefix(org),
        effective_from=day.isoformat(),
        assumed="" if effective_from is not None else _ASSUMED_DAY,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
    click.echo(written + _as_comments(text), nl=False)


_ID: Final = re.compile(r"[a-z][a-z0-9-]{1,60}")
_LAW_BINDS: Final = date(2018, 5, 25)
_ASSUMED_DAY: Final = (
    'effective_from_assumed = "The statement names no day: the day from which the Regulation applies is taken."\n'
)


def _prefix(organisation: str) -> str:
    """The letters before the numbers of its rules: the first of each word, or the first three."""
    words = [word for word in re.split(r"[-0-9]+", organisation) if word]
    letters = "".join(word[0] for word in words) if len(words) > 1 else words[0]
    return f"{letters}xx"[:3].upper() if len(letters) < 2 else letters[:3].upper()  # noqa: PLR2004 -- a prefix has two letters or more


def _as_comments(text: str) -> str:
    """The sentences of the statement as comments, each with its line, to be worked off one by one."""
    found = sentences(text)
    if not found:
        return ""
    lines = [f"# {sentence.line:>4}  {sentence.text}" for sentence in found]
    return "\n".join(
        [
            "",
            "# --- the sentences of the statement: take each out when it has its rule, or promises nothing ---",
            *lines,
            "",
        ]
    )
