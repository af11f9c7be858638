"""`pdl policy`: statements as data, shown, checked, and accounted for rule by rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import click
import msgspec

from consumers.cli import render
from consumers.cli.adopting import adopt
from consumers.cli.beginning import new
from consumers.cli.comparing import diff, try_
from consumers.cli.options import data_option, format_option
from consumers.cli.statements import (
    Source,
    article,
    at_hand,
    entry,
    language_option,
    pack_name,
    sources,
    statement_option,
    text_for,
    wrapped,
)
from ledger.domain.errors import PolicyInvalid
from ledger.policy import lint as linting
from ledger.policy import show as showing
from ledger.policy.coverage import LAW, Tested, law_coverage
from ledger.policy.coverage import coverage as covering
from ledger.policy.model import Pack
from ledger.policy.packs import builtin_law, builtin_packs, pack_text


@click.group()
def policy() -> None:
    """Show, check, begin, compare, try and adopt policy packs: statements as data.

    ORG is the id of an organisation (built in, or of the ledger at hand), or a .toml file of your own.

    \b
    Example:
      pdl policy show
    """


@policy.command()
@click.argument("org", required=False)
@statement_option
@language_option
@data_option
@format_option
def show(org: str | None, statement: Path | None, language: str, form: str) -> None:
    """Show what a statement says is kept, why, for how long, and in which words; without ORG, list the statements.

    ORG may be gdpr: what applies under all of them. With a data directory (--data, PDL_DATA, or ./pdl-data) also what
    clients have set there.

    \b
    Example:
      pdl policy show my-organisation.toml
    """
    tongue = cast("showing.Language", language)
    if org is None:
        _one_for(statement, org)
        render.rows(
            showing.packs(builtin_packs().values()),
            form,
            columns=("organisation", "name", "version", "effective_from", "rules", "datasets", "assumed", "open"),
        )
        return
    if org == LAW:
        _show_law(tongue, form)
        return
    with at_hand(only=("instructions",)) as wired:
        (source,) = sources(org, wired)
        clients = [] if wired is None or not source.pack.file.parameters else wired.instructed(source.pack)
    text = text_for(source, statement)
    if form != "table":
        rows = showing.datasets(source.pack, tongue, text)
        render.rows([row | ({"clients": clients} if row["retention_ends"] == "client" else {}) for row in rows], form)
        return
    _draw_pack(source.pack, tongue, text)
    if clients:
        click.echo({"en": "What clients have set", "nl": "Wat opdrachtgevers hebben ingesteld"}[tongue])
        for row in clients:
            entry(row["client"], showing.client(row, tongue), indent=2, width=24)


@policy.command()
@click.argument("org", required=False)
@statement_option
@click.option("--only", type=click.Choice(["error", "doubt"]), help="Leave out what weighs less.")
@language_option
@format_option
def lint(org: str | None, statement: Path | None, only: str | None, language: str, form: str) -> None:
    """Find what is missing or doubtful in a pack, each with its place; exit 1 when there are errors.

    An error is for whoever writes the pack to mend. A doubt is for the organisation: its statement is silent, weak,
    or contradicts itself. A note is a default that the reading assumed. With the text of the statement each names its
    sentence, and a citation that is not in the text exactly once is an error.

    \b
    Example:
      pdl policy lint my-organisation.toml
    """
    _one_for(statement, org)
    faults: list[linting.Fault] = []
    for name in (org,) if org is not None else tuple(builtin_packs()):
        faults += linting.lint(*pack_text(pack_name(name)), _text_of(name, statement))
    shown = [fault for fault in faults if only is None or fault.severity in {"error", only}]
    if form == "table":
        _draw_faults(shown, language)
    else:
        render.rows([msgspec.structs.asdict(fault) for fault in shown], form)
    if linting.has_errors(faults):
        raise click.exceptions.Exit(1)


@policy.command()
@click.argument("org", required=False)
@statement_option
@language_option
@data_option
@format_option
def coverage(org: str | None, statement: Path | None, language: str, form: str) -> None:
    """List every rule with how it is judged and what was assumed; with the text, sentence by sentence.

    With a data directory (--data, PDL_DATA, or ./pdl-data) also what came of each rule there: how many events put it to
    the test, how many findings name it, and when the last of them began. ORG may be gdpr: the law alone.

    \b
    Example:
      pdl policy coverage my-organisation.toml
    """
    _one_for(statement, org)
    with at_hand() as wired:
        chosen = () if org == LAW else sources(org, wired)
        texts = {source.name: text_for(source, statement) for source in chosen}
        for source in chosen:
            _refuse_wrong_citations(source, texts[source.name])
        outcome = {} if wired is None else wired.tested([source.pack for source in chosen or sources(None, wired)])
    rows: list[dict[str, Any]] = []
    for source in chosen:
        if source.pack.earlier:
            told = f"{source.pack.organisation}: version {source.pack.version}, since {source.pack.effective_from}."
            click.echo(f"pdl: {told} Earlier versions judge what happened before.", err=True)
        rows += covering(source.pack, texts[source.name], outcome.get(source.pack.organisation))
    if not any(texts.values()):
        rows += law_coverage(builtin_law(), _together(outcome.values()) if outcome else None)
    if form == "table":
        _draw_coverage(rows, cast("showing.Language", language))
    else:
        render.rows(rows, form)


policy.add_command(new)
policy.add_command(adopt)
policy.add_command(diff)
policy.add_command(try_)


# --- what belongs together ----------------------------------------------------------------------------------------------


def _one_for(statement: Path | None, org: str | None) -> None:
    if statement is not None and org is None:
        message = "--statement is the text of one organisation; name ORG too."
        raise click.UsageError(message)


def _text_of(name: str, given: Path | None) -> str | None:
    """The text of a pack that may not even load: lint says what is wrong with it."""
    try:
        (source,) = sources(name)
    except PolicyInvalid:
        return None
    return text_for(source, given)


def _refuse_wrong_citations(source: Source, text: str | None) -> None:
    if text is None:
        return
    faults = linting.lint(*pack_text(source.name), text)
    wrong = [fault for fault in faults if fault.code.startswith("citation-")]
    if wrong:
        raise PolicyInvalid("\n".join(f"{fault.file}:{fault.line}: {fault.rule}: {fault.message}" for fault in wrong))
    for fault in faults:
        if fault.code == "other-text":
            click.echo(f"pdl: {fault.file}:{fault.line}: {fault.message}", err=True)


def _together(outcomes: Iterable[Tested]) -> Tested:
    """What came of the law over all organisations."""
    found = tuple(outcomes)
    rules = {rule for one in found for rule in (*one.judged, *one.findings)}
    return Tested(
        {rule: sum(one.judged.get(rule, 0) for one in found) for rule in rules},
        {rule: sum(one.findings.get(rule, 0) for one in found) for rule in rules},
        {
            rule: max(one.last[rule] for one in found if rule in one.last)
            for rule in rules
            if any(rule in one.last for one in found)
        },
    )


def _show_law(language: showing.Language, form: str) -> None:
    rows = list(showing.law(builtin_law(), language))
    if form != "table":
        render.rows(rows, form)
        return
    what = None
    for row in rows:
        if row["what"] != what:
            what = row["what"]
            click.echo(f"\n{_LAW_TITLES[language][what]}")
        entry(row["id"], _of_law(row), indent=2, width=24)


def _of_law(row: Mapping[str, Any]) -> str:
    cited = "" if row["what"] in {"article", "adequacy"} else f" ({article(row['law'])})"
    more = ", ".join(filter(None, (row["term"], row["holds"])))
    return f"{row['text'].rstrip('.')}{cited}{': ' if more else ''}{more}"


_LAW_TITLES: Final = {
    "en": {
        "article": "Articles that are rules of their own where no rule of a statement covers the act",
        "right": "Rights, with the term to answer",
        "clock": "Other statutory terms",
        "basis": "Lawful bases",
        "condition": "Conditions for special categories",
        "statute": "Laws that may demand that data are kept",
        "adequacy": "Countries that protect data adequately, by date",
    },
    "nl": {
        "article": "Artikelen die zelf regel zijn waar geen regel van een verklaring geldt",
        "right": "Rechten, met de termijn voor het antwoord",
        "clock": "Andere wettelijke termijnen",
        "basis": "Grondslagen",
        "condition": "Voorwaarden voor bijzondere categorieën",
        "statute": "Wetten die bewaring kunnen eisen",
        "adequacy": "Landen met een passend beschermingsniveau, naar datum",
    },
}


# --- tables -------------------------------------------------------------------------------------------------------------


def _draw_pack(pack: Pack, language: showing.Language, text: str | None) -> None:
    for name, value in showing.identity(pack, language):
        entry(name, value)
    click.echo()
    for row in showing.datasets(pack, language, text):
        click.echo(f"{row['activity']}/{row['dataset']}: {row['what']}")
        for name, value in showing.paragraphs(pack, row, language):
            entry(name, value, indent=2, width=17)
        click.echo()
    for title, rows in showing.lists(pack, language, text):
        click.echo(title)
        for name, value in rows:
            entry(name, value, indent=2, width=17)
        click.echo()


def _draw_faults(found: Sequence[linting.Fault], language: str) -> None:
    words = _FAULTS[language]
    for fault in found:
        where = fault.file if fault.line is None else f"{fault.file}:{fault.line}"
        why = f"{fault.code}, {article(fault.law)}" if fault.law else fault.code
        click.echo(" ".join(filter(None, (f"{words[fault.severity][0]:<9}", where, fault.rule, f"[{why}]"))))
        wrapped(_UNDER, fault.nl or fault.message if language == "nl" else fault.message)
        if fault.sentence is not None:
            wrapped(f"{_UNDER}{words['line']} {fault.sentence_line}: ", f"“{fault.sentence}”")
        elif fault.words is not None:
            wrapped(_UNDER, f"“{fault.words}”")
    if not found:
        click.echo(words["nothing"])
        return
    counts = {name: sum(fault.severity == name for fault in found) for name in ("error", "doubt", "note")}
    click.echo(", ".join(f"{count} {words[name][count != 1]}" for name, count in counts.items() if count))


_UNDER: Final = " " * 10
_FAULTS: Final[dict[str, dict[str, Any]]] = {
    "en": {
        "error": ("error", "errors"), "doubt": ("doubt", "doubts"), "note": ("note", "notes"), "line": "line",
        "nothing": "Nothing is missing or doubtful.",
    },
    "nl": {
        "error": ("fout", "fouten"), "doubt": ("twijfel", "twijfels"), "note": ("noot", "noten"), "line": "tekstregel",
        "nothing": "Er ontbreekt niets en niets is twijfelachtig.",
    },
}  # fmt: skip


def _draw_coverage(rows: Iterable[Mapping[str, Any]], language: showing.Language) -> None:
    """Sentence by sentence where the text is there, else rule by rule; each rule with how it is judged."""
    organisation, sentence = None, None
    counts = {"rules": 0, "without": 0}
    seen: set[str] = set()
    for row in rows:
        if row["organisation"] != organisation:
            organisation = row["organisation"]
            click.echo(f"{organisation}\n{'-' * len(organisation)}")
        if "sentence" in row and row["sentence"] != sentence:
            sentence = row["sentence"]
            wrapped(f"line {row['line']:>3}  ", row["text"])
        if row["rule"] is None:
            click.echo(f"          {_WORDS[language]['no rule']}")
            counts["without"] += 1
            continue
        if row["rule"] in seen:
            click.echo(f"          {row['rule']}, {_WORDS[language]['above']}")
            continue
        seen.add(row["rule"])
        _draw_rule(row, language, 10 if "sentence" in row else 0)
    click.echo(
        f"\n{len(seen)} {_WORDS[language]['rules']}"
        + (f", {counts['without']} {_WORDS[language]['without']}" if counts["without"] else "")
    )


_WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "no rule": "no rule", "none": "not judged", "above": "as above", "rules": "rules", "without": "sentences without one",
        "event": "by event", "clock": "by the clock", "load": "when the pack is loaded", "exception": "as an exception", "assumed": "assumed: ", "changes": "would change it: ", "doubt": "doubtful: ", "reason": "because: ",
        "judged": "events judged", "judged 1": "event judged", "findings": "findings", "findings 1": "finding", "last": "the last since",
    },
    "nl": {
        "no rule": "geen regel", "none": "niet getoetst", "above": "als hierboven", "rules": "regels", "without": "zinnen zonder regel",
        "event": "op gebeurtenis", "clock": "op de klok", "load": "bij het laden", "exception": "als uitzondering", "assumed": "aangenomen: ", "changes": "anders bij: ", "doubt": "twijfelachtig: ", "reason": "omdat: ",
        "judged": "gebeurtenissen getoetst", "judged 1": "gebeurtenis getoetst", "findings": "bevindingen", "findings 1": "bevinding", "last": "de laatste sinds",
    },
}  # fmt: skip


def _draw_rule(row: Mapping[str, Any], language: showing.Language, indent: int) -> None:
    words = _WORDS[language]
    law = f", {article(row['law'])}" if row["law"] else ""
    kinds = f" ({', '.join(row['promises'])})" if row["promises"] else ""
    entry(row["rule"], f"{words[row['how']]}{kinds}{law}: {row[language]}", indent=indent, width=_RULE_WIDTH)
    under = " " * (indent + _RULE_WIDTH)
    if "sentence" not in row and row["organisation"] != LAW:
        wrapped(under, f"“{row['words']}”")
    for name in ("assumed", "changes", "doubt", "reason"):
        told = row[name] if language == "en" else row[f"{name}_nl"] or row[name]
        if told:
            wrapped(under, f"{words[name]}{told}")
    if "judged" in row and row["promises"]:
        last = f", {words['last']} {row['last'][:10]}" if row["last"] else ""
        judged, found = (words[f"{name} 1" if row[name] == 1 else name] for name in ("judged", "findings"))
        wrapped(under, f"{row['judged']:,} {judged}, {row['findings']:,} {found}{last}")


_RULE_WIDTH: Final = 12
