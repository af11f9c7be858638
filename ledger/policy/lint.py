"""What is wrong with a pack, and what is weak in the statement that it reads: each fault with its place.

An *error* is for whoever writes the pack to mend. A *doubt* is for the organisation: the pack says truly what
the statement says, and that is missing, doubtful or open. A *note* is a default that the reading assumed.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from ledger.domain.errors import PolicyInvalid
from ledger.policy.doubts import doubts
from ledger.policy.model import UNSPECIFIED, Dataset, Pack, PackFile, Rule
from ledger.policy.packs import dpv_terms, parse_pack, places
from ledger.policy.promises import ClientParameter, Matrix, Promise, Recipients, Retention
from ledger.policy.references import RULE, is_unknown, promised_rules, references
from ledger.policy.sentences import cited, line_of, places_of, sentences

WORDS_MAX: Final = 120
"""The longest citation, in characters: enough to find the sentence, too little to be a copy of it."""
NOT_YET_READ: Final = "not yet read"
"""The reason of a rule that `pdl policy new` made for a sentence, and that nobody has looked at."""
Severity: TypeAlias = Literal["error", "doubt", "note"]
_JUDGED: Final = ("event", "clock", "exception")
PERSONAL: Final = re.compile(r"[^\s@]+@[^\s@]+\.[a-z]{2,}|(?:\d[ -]?){8,}|\b\d{4}\s?[A-Z]{2}\b")


class Fault(Struct, frozen=True, kw_only=True):
    """One thing that lint found: what, where in the file, in which rule, and how to mend it.

    `nl` is a doubt or a note in Dutch, and `law` the article that it stands on. With the text of the statement at hand,
    `sentence` is the sentence of the rule, and `sentence_line` its line there.
    """

    severity: Severity
    code: str
    message: str
    file: str
    line: int | None = None
    place: str = ""
    rule: str | None = None
    words: str | None = None
    nl: str | None = None
    law: str | None = None
    sentence: str | None = None
    sentence_line: int | None = None


class _Found(Struct, frozen=True):
    """A fault before file, line and words are known."""

    severity: Severity
    code: str
    place: str
    message: str
    rule: str | None = None
    nl: str | None = None
    law: str = ""


def lint(text: str, name: str, statement: str | None = None) -> list[Fault]:
    """Every fault of a pack (TOML text) in the order of the file; with the text of the statement, of its citations too.

    A pack that does not load has its load errors and nothing else.
    """
    try:
        pack = parse_pack(text, name)
    except PolicyInvalid as fault:
        return [_unloadable(line, name) for line in str(fault).splitlines()]
    lines = places(text)
    found = [*_checks(pack), *(_citations_in(pack, statement) if statement is not None else ())]
    text_of = _Sentences(pack, statement)
    faults = [text_of.beside(_placed(one, pack, name, lines)) for one in found]
    return sorted(faults, key=lambda fault: (fault.line or 0, fault.code, fault.message))


def has_errors(faults: Iterable[Fault]) -> bool:
    """Whether a pack must be mended before it is used."""
    return any(fault.severity == "error" for fault in faults)


def _checks(pack: Pack) -> Iterator[_Found]:
    yield from _rules(pack)
    yield from _datasets(pack)
    yield from _parties(pack)
    yield from _kept(pack)
    yield from _unused(pack)
    yield from _terms(pack)
    yield from _promises(pack)
    yield from _agreement(pack)
    for doubt in doubts(pack):
        yield _Found(doubt.severity, doubt.code, doubt.place, doubt.en, doubt.rule, doubt.nl, doubt.law)


# --- rules and their citations ----------------------------------------------------------------------------------------


def _rules(pack: Pack) -> Iterator[_Found]:
    told = frozenset(id_ for promise in pack.promises for id_ in promised_rules(promise))
    repeated = Counter(rule.words for rule in pack.file.rules)
    for at, rule in enumerate(pack.file.rules):
        for one in (*_citation(rule, repeated), *_how(rule, told, pack.rules, judged=bool(pack.promises))):
            yield _Found(one.severity, one.code, f"rule[{at}]{one.place}", one.message, rule.id)


def _citation(rule: Rule, repeated: Mapping[str, int]) -> Iterator[_Found]:
    for words in (rule.words, *rule.more):
        if not words.strip(" ?.…"):
            yield _error("citation-empty", ".words", "the citation is empty; quote a few words of the sentence")
        if len(words) > WORDS_MAX:
            yield _error(
                "citation-too-long",
                ".words",
                f"the citation has {len(words)} characters; {WORDS_MAX} are enough to find the sentence",
            )
        if PERSONAL.search(words):
            yield _error(
                "citation-personal",
                ".words",
                "the citation holds an address or a number; quote other words of the sentence",
            )
    if repeated[rule.words] > 1:
        yield _error(
            "citation-repeated", ".words", "another rule quotes the same words; each rule needs words of its own"
        )


def _how(rule: Rule, told: frozenset[str], known: Collection[str], *, judged: bool) -> Iterator[_Found]:
    if rule.reason == NOT_YET_READ:
        yield _error("not-yet-read", ".reason", "not yet read: write what it promises, or take the rule out")
    if rule.how == "none" and not rule.reason:
        yield _error(
            "reason-missing", ".how", "nothing judges this rule, and no reason is given; write `reason`, or a promise"
        )
    if rule.how == "load" and not rule.reason and rule.id not in told:
        yield _error("reason-missing", ".how", "say in `reason` what loading this rule does")
    if judged and rule.how in _JUDGED and rule.id not in told:
        yield _error(
            "rule-without-promise",
            ".how",
            f'is said to be judged by {rule.how}, and no promise names it; write one, or how = "none" with a reason',
        )
    if rule.assumed and not rule.changes:
        yield _error(
            "assumption-without-change", ".assumed", "a default is assumed; say in `changes` what would change it"
        )
    for other in rule.contradicts:
        if other not in known:
            yield _error("unknown-rule", ".contradicts", f"the rule {other!r} is not defined in this file")


# --- datasets, recipients, parties ------------------------------------------------------------------------------------


def _datasets(pack: Pack) -> Iterator[_Found]:
    for at, row in enumerate(pack.file.datasets):
        for one in _dataset(row):
            yield _Found(
                one.severity, one.code, f"dataset[{at}]{one.place}", f"{row.activity}/{row.id}: {one.message}", one.rule
            )


def _dataset(row: Dataset) -> Iterator[_Found]:
    rule = row.rules[0] if row.rules else None
    if row.values is None:
        yield _Found(
            "error",
            "values-not-chosen",
            "",
            'nobody chose whether values are kept; write values = "sealed" or "not kept"',
            rule,
        )
    if not row.rules:
        yield _error("dataset-without-rule", ".rules", "no rule of the statement is behind it; name one in `rules`")


def _parties(pack: Pack) -> Iterator[_Found]:
    for id_, party in pack.file.parties.items():
        if party.same_person_as is not None and party.same_person_as not in pack.file.parties:
            message = f"the party {party.same_person_as!r} is not defined in this file"
            yield _error("unknown-id", f"parties.{id_}", message, party.rule)


def _kept(pack: Pack) -> Iterator[_Found]:
    if not pack.file.datasets:
        yield _error(
            "nothing-kept",
            "",
            "no data are kept yet: add an [[activity]] and a [[dataset]] for what the statement describes",
        )


def _terms(pack: Pack) -> Iterator[_Found]:
    """Labels that name a term which the Data Privacy Vocabulary does not have."""
    known = dpv_terms()
    for place, term in _labelled(pack.file):
        if term not in known:
            near = get_close_matches(term, known, 1)
            perhaps = f"; perhaps {near[0]}" if near else ""
            yield _error("unknown-term", f"{place}.dpv", f"{term} is no term of the Data Privacy Vocabulary{perhaps}")


def _labelled(file: PackFile) -> Iterator[tuple[str, str]]:
    for table in _LABELS:
        for id_, label in getattr(file, table).items():
            yield f"{table}.{id_}", label.dpv
    for at, activity in enumerate(file.activities):
        yield f"activity[{at}]", activity.dpv
    for at, dataset in enumerate(file.datasets):
        yield f"dataset[{at}]", dataset.dpv


_LABELS: Final = (
    "parties",
    "categories",
    "classes",
    "purposes",
    "roles",
    "systems",
    "milestones",
    "consents",
    "recipients",
    "services",
    "controls",
    "duties",
    "parameters",
    "schemes",
    "notices",
)


def _unused(pack: Pack) -> Iterator[_Found]:
    file = pack.file
    prohibited = {category for row in file.prohibited for category in row.categories}
    used = {
        "categories": {category for row in file.datasets for category in row.categories} | prohibited,
        "classes": {id_ for row in file.datasets for id_ in row.classes}
        | {id_ for row in file.prohibited for id_ in row.classes},
        "purposes": {id_ for row in file.datasets for id_ in row.purposes}
        | {id_ for row in file.activities for id_ in row.purposes},
    }
    for table, ids in used.items():
        for id_ in getattr(file, table):
            if id_ not in ids:
                yield _error(
                    "id-unused", f"{table}.{id_}", f"no dataset or activity uses {id_!r}; use it, or take it out"
                )


# --- promises ---------------------------------------------------------------------------------------------------------


def _promises(pack: Pack) -> Iterator[_Found]:
    for at, promise in enumerate(pack.promises):
        for one in references(promise, f"promise[{at}]"):
            if is_unknown(one, pack):
                code = "unknown-rule" if one.space == RULE else "unknown-id"
                yield _error(
                    code,
                    one.place,
                    f"the {one.space} {one.id!r} is not defined in this file, nor in the law or the contract",
                )
        if len(promise.words) > WORDS_MAX or PERSONAL.search(promise.words):
            message = f"quote fewer or other words: {WORDS_MAX} characters at most, no address, no number"
            yield _error("citation-too-long", f"promise[{at}].words", message, promise.rule)


# --- tables and promises say the same -----------------------------------------------------------------------------------


def _agreement(pack: Pack) -> Iterator[_Found]:
    """What stands in a table and in a promise too must be the same."""
    if pack.promises:
        yield from _retention_agrees(pack)
    for at, promise in enumerate(pack.promises):
        for message in _disagrees(pack, promise):
            yield _error("promise-disagrees", f"promise[{at}]", message, promise.rule)


def _retention_agrees(pack: Pack) -> Iterator[_Found]:
    ended = {id_ for promise in pack.promises if isinstance(promise, Retention) for id_ in _datasets_of(pack, promise)}
    for at, row in enumerate(pack.file.datasets):
        rule, place = (row.retention.rules or row.rules or (None,))[0], f"dataset[{at}].retention"
        if row.retention.ends in _PROMISED_ENDS and row.id not in ended:
            message = f"{row.activity}/{row.id}: ends by {row.retention.ends}, and no promise of kind retention ends it"
            yield _error("retention-without-promise", place, message, rule)
        if row.retention.ends == UNSPECIFIED and row.id in ended:
            yield _error(
                "promise-disagrees", place, f"{row.activity}/{row.id}: a promise ends what is said to have no end", rule
            )


_PROMISED_ENDS: Final = ("term", "milestone", "client")


def _datasets_of(pack: Pack, promise: Retention) -> Iterable[str]:
    activity = pack.activities.get(promise.activity)
    return promise.datasets or (activity.datasets if activity is not None else ())


def _disagrees(pack: Pack, promise: Promise) -> Iterator[str]:
    if isinstance(promise, Recipients):
        named = {id_: row.service for id_, row in pack.file.recipients.items()}
        if {id_: row.service for id_, row in promise.listed.items()} != named:
            yield "its recipients and their services are not those of [recipients]"
    if isinstance(promise, ClientParameter):
        bounds = pack.file.parameters.get(promise.name)
        if bounds is None or (bounds.at_least, bounds.at_most) != (promise.min, promise.max):
            yield f"its bounds are not those of [parameters.{promise.name}]"
    if isinstance(promise, Matrix):
        for category, row in promise.rows.items():
            if any(allowed != set(row.allowed) for allowed in _allowed_by_tables(pack, promise, category)):
                yield f"{category}: the {promise.of} ids are not those of its dataset"


def _allowed_by_tables(pack: Pack, promise: Matrix, category: str) -> Iterator[set[str]]:
    """What the datasets with a category say of its classes or purposes; nothing where they do not narrow it."""
    for dataset in pack.file.datasets:
        if category in dataset.categories and dataset.activity in (promise.when.activity or pack.activities):
            if promise.of == "class":
                yield set(dataset.classes_of.get(category, dataset.classes))
            elif category in dataset.purposes_of:
                yield set(dataset.purposes_of[category])


# --- with the text of the statement -----------------------------------------------------------------------------------


def _citations_in(pack: Pack, statement: str) -> Iterator[_Found]:
    digest = hashlib.sha256(statement.encode()).hexdigest()
    if digest != pack.file.statement.sha256:
        yield _error(
            "other-text", "statement.sha256", f"the pack was read from another text: this one has the SHA-256 {digest}"
        )
    for at, rule in enumerate(pack.file.rules):
        for words in (rule.words, *rule.more):
            yield from _once(words, statement, f"rule[{at}].words", rule.id)
    for at, promise in enumerate(pack.promises):
        if promise.words and not promise.rule.startswith("GDPR-"):
            yield from _once(promise.words, statement, f"promise[{at}].words", promise.rule)


def _once(words: str, statement: str, place: str, rule: str) -> Iterator[_Found]:
    found = places_of(statement, words)
    if not found:
        yield _error(
            "citation-not-found", place, f"these words are not in the text: {words!r}{_nearly(words, statement)}", rule
        )
    if len(found) > 1:
        at = ", ".join(str(line_of(statement, place_)) for place_ in found)
        yield _error(
            "citation-ambiguous",
            place,
            f"these words are {len(found)} times in the text, at lines {at}: {words!r}; quote more",
            rule,
        )


def _nearly(words: str, statement: str) -> str:
    """Where words are that differ in spaces, line ends, capitals, quotes or hyphens alone."""
    loose, places = _loosely(statement)
    sought = _loosely(words.strip())[0]
    at = loose.find(sought) if sought else -1
    if at < 0:
        return "; quote a few words as they stand there"
    line = line_of(statement, places[at])
    return f"; line {line} has them with other spaces, line ends, capitals, quotes or hyphens: quote them as they stand there, on one line"


_LIKE: Final = str.maketrans("\u2018\u2019\u201c\u201d\u2010\u2011\u2013\u2014", "''\"\"----", "\u00ad\u200b")


def _loosely(text: str) -> tuple[str, list[int]]:
    """A text without what the eye passes over, and where each of its characters stood."""
    kept: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        plain = character.casefold().translate(_LIKE)
        if character.isspace():
            plain = "" if kept and kept[-1] == " " else " "
        for part in plain:
            kept.append(part)
            places.append(place)
    return "".join(kept), places


# --- placing ----------------------------------------------------------------------------------------------------------


def _error(code: str, place: str, message: str, rule: str | None = None) -> _Found:
    return _Found("error", code, place, message, rule)


def _placed(found: _Found, pack: Pack, name: str, lines: Mapping[str, int]) -> Fault:
    rule = found.rule
    return Fault(
        severity=found.severity,
        code=found.code,
        message=found.message,
        file=name,
        line=_nearest(found.place, lines),
        place=found.place,
        rule=rule,
        nl=found.nl,
        law=found.law or None,
        words=pack.rules[rule].words if rule is not None and rule in pack.rules else None,
    )


class _Sentences:
    """The sentence of each rule, in the text of the statement if it is at hand."""

    def __init__(self, pack: Pack, statement: str | None) -> None:
        self._pack, self._text = pack, statement or ""
        self._found = sentences(self._text)

    def beside(self, fault: Fault) -> Fault:
        """The fault with its sentence, where its citation is in the text once."""
        sentence = cited(self._found, self._text, fault.words or "")
        if sentence is None:
            return fault
        return replace(fault, sentence=sentence.text, sentence_line=sentence.line)


def _nearest(place: str, lines: Mapping[str, int]) -> int | None:
    while place:
        if place in lines:
            return lines[place]
        place = place.rpartition(".")[0]
    return None


def _unloadable(line: str, name: str) -> Fault:
    """A load error as a fault: `file:line: what`."""
    found = re.match(rf"^{re.escape(name)}(?::(\d+))?: (.*)$", line, re.DOTALL)
    number, message = (found[1], found[2]) if found else (None, line)
    return Fault(severity="error", code="invalid", message=message, file=name, line=int(number) if number else None)
