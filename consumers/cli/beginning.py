"""`pdl policy new`: a pack to begin with, from the text of a statement and from questions."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Final, TypeVar, cast, get_args

import click

from consumers.cli.statements import read_text, statement_option
from ledger.domain.errors import PolicyInvalid
from ledger.policy.draft import LAW_BINDS, Answers, Catalogue, Ends, Kept, catalogue, draft, is_heading, prefix
from ledger.policy.labels import Basis
from ledger.policy.packs import builtin_law, builtin_packs
from ledger.policy.sentences import sentences

_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,60}")
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_LANGUAGE: Final = re.compile(r"[a-z]{2}")
_TERM: Final = re.compile(r"P[0-9]+[YMWD]|PT[0-9]+H")
_Answer = TypeVar("_Answer")


@click.command()
@click.argument("org", required=False)
@click.option("--name", metavar="NAME", help="The organisation's name as it publishes it.")
@click.option("--version", "version", metavar="VERSION", help="The version of the statement.")
@click.option("--effective-from", type=click.DateTime(["%Y-%m-%d"]), help="First day on which the statement binds.")
@click.option("--language", metavar="CODE", help="Language of the statement, as nl or en.")
@statement_option
@click.option(
    "--ask/--no-ask", default=None, help="Ask about the statement; by default on a terminal, where no name was given."
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the pack there, not to standard output.",
)
def new(
    org: str | None,
    name: str | None,
    version: str | None,
    effective_from: datetime | None,
    language: str | None,
    statement: Path | None,
    ask: bool | None,
    output: Path | None,
) -> None:
    """Begin a pack for an organisation whose id is ORG: from the text of its statement, and from questions.

    With the text, every sentence becomes a rule whose citation is found already, to be read one by one; lint counts
    those that nobody has read. Without text and questions it is a small pack with a comment on every table. The questions ask for each activity what is kept, why, for how long and for whom, and
    in which sentences that stands: the draft then judges events at once. Questions go to standard error.

    \b
    Example:
      pdl policy new my-organisation --name "My organisation" --statement privacy.txt -o my-organisation.toml
    """
    asking = ask if ask is not None else name is None and sys.stdin.isatty() and sys.stderr.isatty()
    if output is not None and output.exists():
        raise PolicyInvalid(f"{output} is there already; name another file, or remove it.")
    if org is None and not asking:
        raise click.UsageError("name the organisation: its id, as events will carry it.")
    questions = _Questions()
    organisation = org if org is not None else questions.one("Id of the organisation, as events will carry it", _an_id)
    if not _ID.fullmatch(organisation):
        raise click.UsageError("ORG is an id: lower-case letters, digits and hyphens, beginning with a letter.")
    if language is not None and not _LANGUAGE.fullmatch(language):
        raise click.UsageError("--language is a code of two letters, such as nl or en.")
    day = effective_from.date() if effective_from is not None else None
    if asking:
        answers, text, statement = questions.about(organisation, name, version, day, language, statement)
    else:
        text = "" if statement is None else read_text(statement)
        answers = Answers(
            organisation=organisation,
            name=_named(name or organisation),
            version=version or "1.0",
            language=language or "nl",
            effective_from=day,
        )
    beside = _beside(output, statement)
    if text or answers.kept:
        written = draft(_with_text(answers, beside), text, catalogue(builtin_packs().values()))
    else:
        written = _template(answers)
    if output is None:
        click.echo(written, nl=False)
        return
    output.write_text(written, encoding="utf-8")
    given = "" if beside is not None or statement is None else f" --statement {statement}"
    click.echo(f"{output} is written. What is still to be read: pdl policy lint {output}{given}", err=True)


def _template(answers: Answers) -> str:
    """A small pack of a contact form and a newsletter, with a comment on every table: for who has no text at hand."""
    template = resources.files("consumers.cli").joinpath("new_pack.toml").read_text(encoding="utf-8")
    day = answers.effective_from
    return template.format(
        organisation=answers.organisation,
        name=answers.name.replace("\\", "").replace('"', "'"),
        prefix=prefix(answers.organisation),
        effective_from=(day or LAW_BINDS).isoformat(),
        assumed="" if day is not None else _ASSUMED_DAY,
        sha256=hashlib.sha256(b"").hexdigest(),
    )


_ASSUMED_DAY: Final = (
    'effective_from_assumed = "The statement names no day: the day from which the Regulation applies is taken."\n'
)


def _with_text(answers: Answers, text: str | None) -> Answers:
    from msgspec.structs import replace  # noqa: PLC0415 -- one name, used once

    return replace(answers, text=text)


def _beside(output: Path | None, statement: Path | None) -> str | None:
    """The name of the text as the pack may call it: where both are in one folder."""
    if output is None or statement is None or output.resolve().parent != statement.resolve().parent:
        return None
    return statement.name


def _named(name: str) -> str:
    return "".join(ch for ch in name if ch.isprintable())


# --- questions ------------------------------------------------------------------------------------------------------------


class _Questions:
    """Asks on standard error and reads standard input; a wrong answer is said to be wrong, and asked again."""

    def __init__(self) -> None:
        self._known: Catalogue = catalogue(builtin_packs().values())
        self._count = 0

    def about(
        self,
        organisation: str,
        name: str | None,
        version: str | None,
        day: date | None,
        language: str | None,
        statement: Path | None,
    ) -> tuple[Answers, str, Path | None]:
        """Everything about a statement, its text, and the file that the text is in."""
        name = name or self.one("Its name, as it publishes it", str, organisation)
        statement = statement or self.one("Text file of the statement (empty: none)", _a_text, "")
        text = "" if statement is None else read_text(statement)
        language = language or self.one("Language of the statement, as nl or en", _a_language, "nl")
        version = version or self.one("Version of the statement", str, "1.0")
        day = day or self.one("First day on which it binds, as 2026-01-31 (empty: not said)", _a_day, "")
        self._show(text)
        kept: list[Kept] = []
        while (activity := self._activity(kept)) is not None:
            kept.append(activity)
        rights = self._ids("Rights that it names", "right", tuple(builtin_law().file.rights))
        term = (
            self.one("Within which term a request is answered, as P1M or P2W (empty: not said)", _a_term, "")
            if rights
            else ""
        )
        return (
            Answers(
                organisation=organisation,
                name=_named(name),
                version=version,
                language=language,
                effective_from=day,
                kept=tuple(kept),
                rights=rights,
                rights_term=term,
                rights_in=self._sentences("... in sentences") if rights else (),
                complaint=next(iter(self._sentences("Sentence that names the supervisory authority")), None),
            ),
            text,
            statement,
        )

    def _show(self, text: str) -> None:
        found = sentences(text)
        self._count = len(found)
        for number, sentence in enumerate(found, 1):
            click.echo(
                f"{number:>4}  {sentence.text}"
                if not is_heading(sentence)
                else f"{number:>4}  {sentence.text.upper()}",
                err=True,
            )
        click.echo(
            "\nNow each activity: what is kept, why, for how long, for whom. Lists with commas; ? shows known ids.",
            err=True,
        )

    def _activity(self, before: Sequence[Kept]) -> Kept | None:
        click.echo("", err=True)
        activity = self.one("Activity, in a word (empty: no more)", _an_id_or_nothing, "")
        if not activity:
            return None
        if activity in {kept.activity for kept in before}:
            click.echo("That activity was described already; give this one another word.", err=True)
            return self._activity(before)
        classes = self._ids("About whom", "class", needed=True)
        categories = self._ids("Which data", "category", needed=True)
        purposes = self._ids("For which purposes", "purpose", needed=True)
        what = self._sentences("... in sentences")
        bases = self._ids("On which basis (empty: not said)", "basis", get_args(Basis))
        until = self.one("Kept for a term as P2Y, or: withdrawal, criteria (empty: not said)", _an_end, "")
        ends: Ends = "term" if _TERM.fullmatch(until) else cast("Ends", until or "unspecified")
        after = (
            self.one("... counted from which milestone, as membership.ended or contact", _a_word)
            if ends == "term"
            else ""
        )
        how_long = self._sentences("... in sentences") if ends != "unspecified" else ()
        recipients = self.one("Shared with whom, as postduif: mailing (empty: nobody is named)", _recipients, "")
        with_whom = self._sentences("... in sentences") if recipients else ()
        return Kept(
            activity=activity,
            classes=classes,
            categories=categories,
            purposes=purposes,
            bases=bases,
            ends=ends,
            term=until if ends == "term" else "",
            after=after,
            recipients=recipients,
            what=what,
            how_long=how_long,
            with_whom=with_whom,
        )

    def one(self, question: str, read: Callable[[str], _Answer], default: str | None = None) -> _Answer:
        """Ask until the answer can be read."""
        while True:
            said = click.prompt(question, default=default, show_default=bool(default), err=True)
            try:
                return read(said.strip())
            except ValueError as wrong:
                click.echo(str(wrong), err=True)
            except PolicyInvalid as wrong:
                click.echo(str(wrong), err=True)

    def _ids(self, question: str, space: str, allowed: Sequence[str] = (), *, needed: bool = False) -> tuple[str, ...]:
        known = allowed or tuple(sorted(id_ for kind, id_ in self._known if kind == space))

        def read(said: str) -> tuple[str, ...]:
            if said == "?":
                raise ValueError(", ".join(known))
            ids = tuple(dict.fromkeys(_slug(part) for part in said.split(",") if part.strip()))
            wrong = [id_ for id_ in ids if (allowed and id_ not in allowed) or not _WORD.fullmatch(id_)]
            if wrong or (needed and not ids):
                raise ValueError(
                    f"Write {'one of ' + ', '.join(allowed) if allowed else 'ids in lower case, with commas between them'}."
                )
            return ids

        return self.one(question, read, None if needed else "")

    def _sentences(self, question: str) -> tuple[int, ...]:
        if not self._count:
            return ()

        def read(said: str) -> tuple[int, ...]:
            parts = [part for part in re.split(r"[\s,]+", said) if part]
            if not all(part.isdecimal() and 1 <= int(part) <= self._count for part in parts):
                raise ValueError(f"Write numbers from 1 to {self._count}, as in the list above.")
            return tuple(int(part) for part in parts)

        return self.one(f"{question} (numbers)", read, "")


def _slug(part: str) -> str:
    return re.sub(r"\s+", "-", part.strip().lower())


def _an_id(said: str) -> str:
    if not _ID.fullmatch(said):
        raise ValueError("Write lower-case letters, digits and hyphens, beginning with a letter.")
    return said


def _an_id_or_nothing(said: str) -> str:
    return said and _an_id(_slug(said))


def _a_word(said: str) -> str:
    if not _WORD.fullmatch(said):
        raise ValueError("Write an id in lower case, such as contact or membership.ended.")
    return said


def _a_day(said: str) -> date | None:
    try:
        return date.fromisoformat(said) if said else None
    except ValueError as wrong:
        raise ValueError("Write a day as 2026-01-31.") from wrong


def _a_term(said: str) -> str:
    if said and not _TERM.fullmatch(said):
        raise ValueError("Write a term as P2Y (years), P6M (months), P4W (weeks) or P30D (days).")
    return said


def _an_end(said: str) -> str:
    if said not in {"", "withdrawal", "criteria"} and not _TERM.fullmatch(said):
        raise ValueError("Write a term as P2Y, P6M, P4W or P30D, or withdrawal, or criteria.")
    return said


def _recipients(said: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in said.split(","):
        id_, _, service = (_slug(piece) for piece in part.partition(":"))
        if not id_ and not service:
            continue
        if not (_WORD.fullmatch(id_) and _WORD.fullmatch(service)):
            raise ValueError("Write each with its service, as postduif: mailing, adyen: payment.")
        found[id_] = service
    return found


def _a_text(said: str) -> Path | None:
    if not said:
        return None
    read_text(Path(said))
    return Path(said)


def _a_language(said: str) -> str:
    if not _LANGUAGE.fullmatch(said):
        raise ValueError("Write a code of two letters, such as nl or en.")
    return said
