"""`pdl policy`: statements as data, shown, checked, and accounted for rule by rule."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final, cast

import click
import msgspec

from consumers.cli import render
from consumers.cli.options import F, format_option
from ledger.domain.errors import PolicyInvalid
from ledger.policy import lint as linting
from ledger.policy import show as showing
from ledger.policy.model import Pack
from ledger.policy.packs import builtin_ids, builtin_packs, load_pack, pack_text
from ledger.policy.sentences import sentences


def _statement_option(command: F) -> F:
    return click.option(
        "--statement",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Text of the published statement, to show whole sentences and to check every citation.",
    )(command)


def _language_option(command: F) -> F:
    return click.option(
        "--language", type=click.Choice(["nl", "en"]), default="en", show_default=True, help="Language of labels."
    )(command)


@click.group()
def policy() -> None:
    """Show and check policy packs: statements as data.

    ORG is the id of a built-in organisation, or a .toml file of your own.

    \b
    Example:
      pdl policy show
    """


@policy.command()
@click.argument("org", required=False)
@_statement_option
@_language_option
@format_option
def show(org: str | None, statement: Path | None, language: str, form: str) -> None:
    """Show what a statement says is kept, why, for how long, and in which words; without ORG, list the statements.

    \b
    Example:
      pdl policy show my-organisation.toml
    """
    tongue = cast("showing.Language", language)
    if org is None:
        render.rows(showing.packs(builtin_packs().values()), form)
        return
    pack = load_pack(org)
    text = _text_for(org, statement)
    if form != "table":
        render.rows(showing.datasets(pack, tongue, text), form)
        return
    _show_tables(pack, tongue, text)


@policy.command()
@click.argument("org", required=False)
@_statement_option
@click.option("--only", type=click.Choice(["error", "doubt"]), help="Leave out what weighs less.")
@format_option
def lint(org: str | None, statement: Path | None, only: str | None, form: str) -> None:
    """Find what is missing or doubtful in a pack, each with its place; exit 1 when there are errors.

    \b
    Example:
      pdl policy lint my-organisation.toml
    """
    _one_for(statement, org)
    faults = [
        fault for source in _sources(org) for fault in linting.lint(*pack_text(source), _text_for(source, statement))
    ]
    shown = [fault for fault in faults if _weighs(fault, only)]
    rows = [_briefly(fault) if form == "table" else msgspec.structs.asdict(fault) for fault in shown]
    render.rows(rows, form, nothing="Nothing is missing or doubtful.")
    if linting.has_errors(faults):
        raise click.exceptions.Exit(1)


@policy.command()
@click.argument("org", required=False)
@_statement_option
@format_option
def coverage(org: str | None, statement: Path | None, form: str) -> None:
    """List every rule with how it is judged and what was assumed; with the text, sentence by sentence.

    \b
    Example:
      pdl policy coverage my-organisation.toml
    """
    _one_for(statement, org)
    rows: list[dict[str, Any]] = []
    for source in _sources(org):
        text = _text_for(source, statement)
        if text is not None:
            _refuse_wrong_citations(source, text)
        rows += showing.coverage(load_pack(source), text)
    render.rows([_covered(row) for row in rows] if form == "table" else rows, form)


@policy.command()
@click.argument("org")
@click.option("--name", metavar="NAME", help="The organisation's name as it publishes it.")
@click.option("--effective-from", type=click.DateTime(["%Y-%m-%d"]), help="First day on which the statement binds.")
@_statement_option
def new(org: str, name: str | None, effective_from: datetime | None, statement: Path | None) -> None:
    """Print a commented pack to begin with, for an organisation whose id is ORG; with the text, its sentences below.

    For example: pdl policy new voorbeeld --name "Voorbeeld B.V." --statement privacy.txt > voorbeeld.toml
    """
    if not _ID.fullmatch(org):
        message = "ORG is an id: lower-case letters, digits and hyphens, beginning with a letter."
        raise click.UsageError(message)
    text = _read(statement) or ""
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


def _show_tables(pack: Pack, language: showing.Language, text: str | None) -> None:
    statement = pack.file.statement
    click.echo(f"{pack.name}: {statement.title}, version {pack.version}, in force from {pack.effective_from}.")
    if statement.effective_from_assumed:
        click.echo(f"Assumed: {statement.effective_from_assumed}")
    click.echo()
    render.table([_short(row) for row in showing.datasets(pack, language, text)])
    named = list(showing.recipients(pack, language, text))
    if named:
        click.echo("Recipients that the statement names")
        render.table(named)
    silent: list[dict[str, Any]] = [{"open": getattr(row, language), "instead": row.instead} for row in pack.file.open]
    if silent:
        click.echo()
        click.echo("What the statement leaves open")
        render.table(silent)


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    """A dataset in the columns that fit a terminal; JSON and CSV have them all."""
    return {
        "dataset": f"{row['activity']}/{row['dataset']}",
        "categories": row["categories"],
        "purposes": row["purposes"],
        "basis": row["bases"],
        "kept": row["retention"],
        "rules": row["rules"],
        "words": " · ".join(row["words"]),
    }


def _briefly(fault: linting.Fault) -> dict[str, Any]:
    where = fault.file if fault.line is None else f"{fault.file}:{fault.line}"
    return {"severity": fault.severity, "where": where, "rule": fault.rule, "what": fault.message, "words": fault.words}


def _sources(org: str | None) -> tuple[str, ...]:
    return builtin_ids() if org is None else (org,)


def _weighs(fault: linting.Fault, only: str | None) -> bool:
    return only is None or fault.severity in {"error", only}


def _one_for(statement: Path | None, org: str | None) -> None:
    if statement is not None and org is None:
        message = "--statement is the text of one organisation; name ORG too."
        raise click.UsageError(message)


def _covered(row: Mapping[str, Any]) -> dict[str, Any]:
    """A rule in the columns that fit a terminal; JSON and CSV have them all."""
    return {
        "line": row.get("line"),
        "rule": row["rule"] or "none",
        "words": row.get("text") or row["words"],
        "how": row.get("how"),
        "promises": row.get("promises"),
        "assumed or why not": row.get("assumed") or row.get("reason"),
    }


def _refuse_wrong_citations(source: str, text: str) -> None:
    wrong = [fault for fault in linting.lint(*pack_text(source), text) if fault.code.startswith("citation-")]
    if wrong:
        raise PolicyInvalid("\n".join(f"{fault.file}:{fault.line}: {fault.rule}: {fault.message}" for fault in wrong))


def _text_for(source: str, given: Path | None) -> str | None:
    """The text of the statement: the file that was given, or the one that the pack names beside itself."""
    if given is not None:
        return _read(given)
    try:
        named = load_pack(source).file.statement.text
    except PolicyInvalid:
        return None  # Lint says what is wrong with the pack; the other commands load it again and say so.
    return _read(Path(source).parent / named) if named is not None else None


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        message = f"{path}: cannot be read as the text of a statement; name a text file in UTF-8."
        raise PolicyInvalid(message) from fault
