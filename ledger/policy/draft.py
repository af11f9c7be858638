"""A pack to begin with: from the text of a statement, and from what its writer answers about it.

Every sentence gets a rule whose citation is found already; what nobody has read yet says so, and lint counts it.
What the answers say becomes activities, datasets and promises, so that the draft judges events at once.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from importlib import resources
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from ledger.policy.labels import spoken
from ledger.policy.lint import NOT_YET_READ, PERSONAL, WORDS_MAX
from ledger.policy.model import Pack
from ledger.policy.sentences import Sentence, places_of, sentences

Ends: TypeAlias = Literal["term", "withdrawal", "criteria", "unspecified"]
Catalogue: TypeAlias = Mapping[tuple[str, str], tuple[str, str, str]]
"""(space, id) -> Dutch label, English label, DPV term: what other packs call things."""
LAW_BINDS: Final = date(2018, 5, 25)
_WORDS_MIN: Final = 6
_TELLING: Final = 5
"""Letters of a word that says something."""
_EDGES: Final = " ,.;:!?()[]-\"'\u2018\u2019\u201c\u201d\u2013"
_HEADING_WORDS_MAX: Final = 8
_FALLBACK: Final = {
    "activity": "dpv:ServiceProvision",
    "class": "dpv:DataSubject",
    "category": "dpv:PersonalData",
    "purpose": "dpv:Purpose",
    "milestone": "dpv:ActivityCompleted",
    "recipient": "dpv:DataProcessor",
    "service": "dpv:ServiceProvision",
}


class Kept(Struct, frozen=True, kw_only=True):
    """What the writer answers about one activity; sentences are numbers as `sentences` counts them, from 1.

    `term` is a term (P2Y) where it ends by one, counted from the milestone `after`. `recipients`: id -> service.
    """

    activity: str
    classes: tuple[str, ...]
    categories: tuple[str, ...]
    purposes: tuple[str, ...]
    bases: tuple[str, ...] = ()
    ends: Ends = "unspecified"
    term: str = ""
    after: str = ""
    recipients: Mapping[str, str] = {}
    what: tuple[int, ...] = ()
    how_long: tuple[int, ...] = ()
    with_whom: tuple[int, ...] = ()


class Answers(Struct, frozen=True, kw_only=True):
    """Whose statement it is, and what its writer answered about it."""

    organisation: str
    name: str
    version: str = "1.0"
    language: str = "nl"
    effective_from: date | None = None
    text: str | None = None
    kept: tuple[Kept, ...] = ()
    rights: tuple[str, ...] = ()
    rights_term: str = ""
    rights_in: tuple[int, ...] = ()
    complaint: int | None = None


def catalogue(packs: Iterable[Pack]) -> Catalogue:
    """The labels that these packs give to ids, the first one for each; and words that many statements use."""
    found: dict[tuple[str, str], tuple[str, str, str]] = {}
    for pack in packs:
        for space in ("class", "category", "purpose", "milestone", "role", "service"):
            for id_ in sorted(pack.known(space)):
                label = pack.label(space, id_)
                if label is not None:
                    found.setdefault((space, id_), (label.nl, label.en, label.dpv))
        for row in pack.activities.values():
            found.setdefault(("activity", row.id), (row.nl, row.en, row.dpv))
    for space, words in _common_words().items():
        for id_, (nl, en, dpv) in words.items():
            found.setdefault((space, id_), (nl, en, dpv))
    return found


@cache
def _common_words() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(resources.files("ledger.policy").joinpath("words.toml").read_text(encoding="utf-8"))


def draft(answers: Answers, statement: str, known: Catalogue) -> str:
    """The TOML of a pack to go on from; it loads, and lint names what is still to be read."""
    return "\n".join(_Draft(answers, statement, known).lines()).rstrip() + "\n"


def prefix(organisation: str) -> str:
    """The letters before the numbers of its rules: the first of each word, or the first three."""
    words = [word for word in re.split(r"[-0-9]+", organisation) if word]
    letters = "".join(word[0] for word in words) if len(words) > 1 else words[0]
    return f"{letters}xx"[:3].upper() if len(letters) < 2 else letters[:3].upper()  # noqa: PLR2004 -- a prefix has two letters or more


def citation(sentence: Sentence, statement: str) -> str | None:
    """A few words of a sentence that occur once in the text and name nobody; None where every part of it recurs.

    The fewest from _WORDS_MIN on; they go on to a word that says something, so that none ends in `of the`.
    """
    spans = [match.span() for match in re.finditer(r"\S+", sentence.text)]
    for count in range(min(_WORDS_MIN, len(spans)), len(spans) + 1):
        for first in range(len(spans) - count + 1):
            if _stands_once(words := _between(sentence, spans, first, first + count), statement):
                longer = (_between(sentence, spans, first, last) for last in range(first + count, len(spans) + 1))
                telling = next((text for text in longer if len(text.split()[-1]) >= _TELLING), words)
                return telling if _stands_once(telling, statement) else words
    return None


def _between(sentence: Sentence, spans: Sequence[tuple[int, int]], first: int, last: int) -> str:
    return sentence.text[spans[first][0] : spans[last - 1][1]].strip(_EDGES)


def _stands_once(words: str, statement: str) -> bool:
    return 0 < len(words) <= WORDS_MAX and len(places_of(statement, words)) == 1 and not PERSONAL.search(words)


def is_heading(sentence: Sentence) -> bool:
    """Whether it reads as a heading: few words, and no full stop."""
    return sentence.text[-1:] not in ".!?:;," and len(sentence.text.split()) <= _HEADING_WORDS_MAX


class _Rule(NamedTuple):
    """A sentence (None: there is no text) that becomes a rule."""

    id: str
    sentence: Sentence | None
    number: int


class _Draft:
    """One draft in the making: its rules first, because everything else refers to them."""

    def __init__(self, answers: Answers, statement: str, known: Catalogue) -> None:
        self._answers, self._statement, self._known = answers, statement, known
        self._found = sentences(statement)
        self._prefix = prefix(answers.organisation)
        self._rules = [*self._numbered()]
        self._of = {rule.number: rule.id for rule in self._rules}
        self._promises: dict[str, list[list[str]]] = defaultdict(list)
        self._says: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._clocks: set[str] = set()
        self._facts: dict[str, tuple[str, str]] = {}
        self._reasons: dict[str, str] = {}
        for kept in answers.kept:
            self._promise(kept)
        self._promise_recipients()
        self._promise_rights()

    def lines(self) -> Iterator[str]:
        """The file, table by table."""
        yield from self._head()
        yield from self._labels()
        for kept in self._answers.kept:
            yield from self._activity(kept)
        if not self._answers.kept:
            yield from _EXAMPLE
        yield from self._rule_tables()
        yield from self._promise_tables()

    # --- rules

    def _numbered(self) -> Iterator[_Rule]:
        """A rule for each sentence that is no heading and can be cited, and for each that an answer names."""
        named = {number for kept in self._answers.kept for number in (*kept.what, *kept.how_long, *kept.with_whom)}
        named |= set(self._answers.rights_in) | ({self._answers.complaint} if self._answers.complaint else set())
        if not self._found:
            for number in range(1, 2 * len(self._answers.kept) + 1):
                yield _Rule(f"{self._prefix}-{number:02}", None, number)
            return
        count = 0
        for number, sentence in enumerate(self._found, 1):
            if number in named or (not is_heading(sentence) and citation(sentence, self._statement) is not None):
                count += 1
                yield _Rule(f"{self._prefix}-{count:02}", sentence, number)

    def _rule(self, numbers: Sequence[int], instead: int) -> str:
        """The rule of the first of these sentences; without a text, the one with that number."""
        found = [self._of[number] for number in numbers if number in self._of]
        return found[0] if found else self._of.get(instead, next(iter(self._of.values()), f"{self._prefix}-01"))

    def _others(self, numbers: Sequence[int]) -> list[str]:
        """The further sentences of an answer: they say the same, and are broken with the first."""
        others = self._rules_of(numbers)[1:]
        return [f"also = {_ids(others)}"] if others else []

    def _say(self, rule: str, numbers: Sequence[int], nl: str, en: str) -> None:
        for id_ in (rule, *self._rules_of(numbers)[1:]):
            self._says[id_].append((nl, en))

    def _rules_of(self, *numbers: Sequence[int]) -> list[str]:
        return list(dict.fromkeys(self._of[number] for part in numbers for number in part if number in self._of))

    def _rule_tables(self) -> Iterator[str]:
        yield from _title("every sentence that promises something, in the order of the text")
        yield "# `how` says what can contradict it: event, clock, exception (to another rule), load, or none with a `reason`."
        yield "# Where the words can be read in two ways: `assumed` is what you took, `changes` what would change it."
        yield "# `doubt` is what is weak in the sentence itself. A sentence that promises nothing: take its rule out."
        yield ""
        for rule in self._rules:
            yield from self._rule_table(rule)

    def _rule_table(self, rule: _Rule) -> Iterator[str]:
        words = None if rule.sentence is None else citation(rule.sentence, self._statement)
        if rule.sentence is not None:
            yield f"# line {rule.sentence.line}: {rule.sentence.text}"
        yield "[[rule]]"
        yield f'id = "{rule.id}"'
        if words is None:
            yield _noted('words = "..."', "a few words that occur once in the text")
        else:
            yield f"words = {_text(words)}"
        if rule.id in self._says:
            yield f'how = "{"clock" if rule.id in self._clocks else "event"}"'
            yield f"nl = {_text(' '.join(dict.fromkeys(nl for nl, _ in self._says[rule.id])))}"
            yield f"en = {_text(' '.join(dict.fromkeys(en for _, en in self._says[rule.id])))}"
        else:
            nl, en = self._facts.get(rule.id, ("nog niet gelezen", "not yet read"))
            yield 'how = "none"'
            yield f"reason = {_text(self._reasons.get(rule.id, NOT_YET_READ))}"
            yield f"nl = {_text(nl)}"
            yield f"en = {_text(en)}"
        yield ""

    # --- what the answers promise

    def _promise(self, kept: Kept) -> None:
        what = self._rule(kept.what, 2 * self._answers.kept.index(kept) + 1)
        data, whom = self._named("category", kept.categories), self._named("class", kept.classes)
        why = self._named("purpose", kept.purposes)
        self._say(
            what,
            kept.what,
            f"Van {whom[0]}: alleen {data[0]}, voor {why[0]}.",
            f"Of {whom[1]}: {data[1]} only, for {why[1]}.",
        )
        for field, ids, law in (("category", kept.categories, "5(1)(c)"), ("purpose", kept.purposes, "5(1)(b)")):
            self._promises[what].append(
                [
                    'kind = "allow-list"',
                    f'rule = "{what}"',
                    *self._others(kept.what),
                    f'law = "{law}"',
                    f'field = "{field}"',
                    f'when = {{ activity = ["{kept.activity}"] }}',
                    f"allowed = {_ids(ids)}",
                ]
            )
        if kept.bases[:1] == ("consent",):
            self._promise_consent(kept, what)
        self._promise_retention(kept)

    def _promise_consent(self, kept: Kept, rule: str) -> None:
        for purpose in kept.purposes:
            self._promises[rule].append(
                [
                    'kind = "consent-gate"',
                    f'rule = "{rule}"',
                    'law = "6(1)(a)"',
                    f'when = {{ purpose = ["{purpose}"] }}',
                    f'purpose = "{purpose}"',
                ]
            )
        self._promises[rule].append(
            [
                'kind = "stop"',
                f'rule = "{rule}"',
                'law = "7(3)"',
                'on = ["withdrawn", "objection"]',
                f"purposes = {_ids(kept.purposes)}",
            ]
        )

    def _promise_retention(self, kept: Kept) -> None:
        if kept.ends == "unspecified":
            return
        rule = self._rule(kept.how_long, 2 * self._answers.kept.index(kept) + 2)
        self._clocks |= {rule, *self._rules_of(kept.how_long)}
        self._say(rule, kept.how_long, *self._until(kept))
        after = _after(kept)
        lines = [
            'kind = "retention"',
            f'rule = "{rule}"',
            *self._others(kept.how_long),
            'law = "5(1)(e)"',
            f'activity = "{kept.activity}"',
            f'after = "{after}"',
        ]
        if kept.ends == "term":
            lines.append(f'term = "{kept.term}"')
        else:
            lines += ['term = "P0D"', f"assumed = {_text(_AT_ONCE[1])}", f"assumed_nl = {_text(_AT_ONCE[0])}"]
        if after == "contact":
            lines.append(
                f'derived = [{{ type = ["data.collected"], activity = ["{kept.activity}"] }}]   # what counts as contact'
            )
        self._promises[rule].append(lines)

    def _until(self, kept: Kept) -> tuple[str, str]:
        if kept.ends == "withdrawal":
            return "Bewaard tot de toestemming wordt ingetrokken.", "Kept until consent is withdrawn."
        if kept.ends == "term":
            nl, en = self._named("milestone", (kept.after,))
            return (
                f"Ten hoogste {spoken(kept.term, 'nl')} bewaard na: {nl}.",
                f"Kept at most {spoken(kept.term, 'en')} after: {en}.",
            )
        if kept.ends == "criteria":
            return "Bewaard tot het niet meer nodig is.", "Kept until no longer needed."
        return "Hoe lang staat er niet.", "How long is not said."

    def _promise_recipients(self) -> None:
        named = {
            id_: (service, kept.activity) for kept in self._answers.kept for id_, service in kept.recipients.items()
        }
        if not named:
            return
        rule = self._rule([number for kept in self._answers.kept for number in kept.with_whom], 1)
        nl, en = self._named("recipient", tuple(named))
        numbers = [number for kept in self._answers.kept for number in kept.with_whom]
        self._say(rule, numbers, f"Alleen gedeeld met {nl}.", f"Shared with {en} only.")
        self._promises[rule].append(
            [
                'kind = "recipients"                             # a closed list: anyone else is a finding',
                f'rule = "{rule}"',
                *self._others(numbers),
                'law = "13(1)(e)"',
                "[promise.listed]",
                *[f'{id_} = {{ service = "{service}" }}' for id_, (service, _) in named.items()],
            ]
        )

    def _promise_rights(self) -> None:
        answers = self._answers
        if answers.complaint is not None:
            rule = self._rule([answers.complaint], 1)
            self._reasons[rule] = "Information to the reader; a refusal must say the same (Art. 12(4))."
            self._facts[rule] = ("Een klacht kan bij de toezichthouder.", "A complaint can go to the authority.")
        if not answers.rights:
            return
        rule = self._rule(answers.rights_in, 1)
        self._clocks |= {rule, *self._rules_of(answers.rights_in)}
        promised = f", within {spoken(answers.rights_term, 'en')}" if answers.rights_term else ""
        beloofd = f", binnen {spoken(answers.rights_term, 'nl')}" if answers.rights_term else ""
        self._say(
            rule,
            answers.rights_in,
            f"Op een verzoek volgt antwoord{beloofd}.",
            f"A request is answered{promised}.",
        )
        term = f', term = "{answers.rights_term}"' if answers.rights_term else ""
        self._promises[rule].append(
            [
                'kind = "request-clock"',
                f'rule = "{rule}"',
                *self._others(answers.rights_in),
                'law = "12(3)"',
                "[promise.rights]",
                *[f'{right} = {{ rule = "{rule}"{term} }}' for right in answers.rights],
            ]
        )

    def _promise_tables(self) -> Iterator[str]:
        yield from _title("promises: the same rules as functions that judge events")
        yield "# The kinds and their fields: docs/reference/promises.md. `when` says which acts a promise is about."
        yield ""
        for rule in self._rules:
            for lines in self._promises.get(rule.id, ()):
                yield "[[promise]]"
                yield from lines
                yield ""

    # --- head, labels, activities

    def _head(self) -> Iterator[str]:
        answers = self._answers
        file = f"{answers.organisation}.toml"
        yield "# A privacy statement as data, to be worked off from top to bottom."
        yield f"# pdl policy lint {file} --statement TEXT    what is missing, doubtful, or not yet read"
        yield f"# pdl judge --pack {file} events.jsonl       tried on events; the keys: ledger/policy/packs/README.md"
        yield ""
        yield "[statement]"
        yield _noted(f'organisation = "{answers.organisation}"', "the id that events carry")
        yield f"name = {_text(answers.name)}"
        yield 'title = "Privacyverklaring"'
        yield f"version = {_text(answers.version)}"
        yield f'language = "{answers.language}"'
        yield _noted(
            f"effective_from = {(answers.effective_from or LAW_BINDS).isoformat()}", "the first day on which it binds"
        )
        if answers.effective_from is None:
            yield 'effective_from_assumed = "The statement names no day: the day from which the Regulation applies is taken."'
        yield _noted("reading = 1", "count it up when you correct this file")
        yield f'sha256 = "{hashlib.sha256(self._statement.encode()).hexdigest()}"'
        if answers.text is not None:
            yield _noted(f"text = {_text(answers.text)}", "the statement, beside this file")
        yield ""

    def _labels(self) -> Iterator[str]:
        kept = self._answers.kept
        complaint = None if self._answers.complaint is None else self._rule([self._answers.complaint], 1)
        yield from _title("who, what, why, when: roles and ids, each with a Dutch and an English label and a DPV term")
        yield _noted("[parties]", "roles, never a person's name")
        yield 'controller = { nl = "de organisatie", en = "the organisation", dpv = "dpv:DataController" }'
        if complaint is not None:
            yield f'authority = {{ nl = "Autoriteit Persoonsgegevens", en = "Dutch Data Protection Authority", dpv = "dpv:DataProtectionAuthority", rule = "{complaint}" }}'
        yield ""
        for space, table, ids in (
            ("class", "classes", [id_ for row in kept for id_ in row.classes]),
            ("category", "categories", [id_ for row in kept for id_ in row.categories]),
            ("purpose", "purposes", [id_ for row in kept for id_ in row.purposes]),
            ("milestone", "milestones", [_after(row) for row in kept if row.ends in {"term", "criteria"}]),
            ("service", "services", [service for row in kept for service in row.recipients.values()]),
        ):
            if ids:
                yield f"[{table}]"
                yield from (self._label(space, id_) for id_ in dict.fromkeys(ids))
                yield ""
        for row in kept:
            yield from self._recipients(row)

    def _label(self, space: str, id_: str) -> str:
        nl, en, dpv = self._words(space, id_)
        check = "" if (space, id_) in self._known else "   # words and term to be looked at"
        return f'{_key(id_)} = {{ nl = {_text(nl)}, en = {_text(en)}, dpv = "{dpv}" }}{check}'

    def _words(self, space: str, id_: str) -> tuple[str, str, str]:
        plain = id_.replace("-", " ").replace(".", " ")
        return self._known.get((space, id_), (plain, plain, _FALLBACK[space]))

    def _named(self, space: str, ids: Sequence[str]) -> tuple[str, str]:
        words = [self._words(space, id_) for id_ in ids]
        return ", ".join(nl for nl, _, _ in words), ", ".join(en for _, en, _ in words)

    def _recipients(self, kept: Kept) -> Iterator[str]:
        rule = self._rule(kept.with_whom, 1)
        for id_, service in kept.recipients.items():
            nl, en, dpv = self._words("recipient", id_)
            yield f"[recipients.{_key(id_)}]"
            yield f'nl = {_text(nl)}\nen = {_text(en)}\ndpv = "{dpv}"'
            yield f'service = "{service}"'
            yield _noted('country = "unspecified"', "NL, DE ... where the statement says so")
            yield _noted('contract = "unspecified"', "processor, subprocessor or cooperation")
            yield f'activities = ["{kept.activity}"]'
            yield f'rule = "{rule}"'
            yield ""

    def _activity(self, kept: Kept) -> Iterator[str]:
        nl, en, dpv = self._words("activity", kept.activity)
        at = 2 * self._answers.kept.index(kept)
        what = self._rules_of(kept.what) or [self._rule((), at + 1)]
        ends = {"withdrawal": "milestone"}.get(kept.ends, kept.ends)
        until = self._rules_of(kept.how_long) or (
            [self._rule((), at + 2)] if not self._found and kept.ends != "unspecified" else []
        )
        until_nl, until_en = self._until(kept)
        yield from _title(kept.activity)
        yield "[[activity]]"
        yield f'id = "{kept.activity}"'
        yield f'nl = {_text(nl)}\nen = {_text(en)}\ndpv = "{dpv}"'
        yield _noted('acts_as = "controller"', "processor: on behalf of a client")
        yield f"purposes = {_ids(kept.purposes)}"
        yield f"rules = {_ids(what)}"
        yield ""
        yield _noted("[[dataset]]", "categories that are kept and erased together")
        yield f'id = "{kept.activity}"\nactivity = "{kept.activity}"'
        yield f'nl = {_text(nl)}\nen = {_text(en)}\ndpv = "dpv:ProvidedPersonalData"'
        yield f"categories = {_ids(kept.categories)}"
        yield f"classes = {_ids(kept.classes)}"
        yield f"purposes = {_ids(kept.purposes)}"
        yield f"bases = {_ids(kept.bases)}" if kept.bases else 'bases = "unspecified"'
        yield _noted('values = "sealed"', 'or "not kept": that it was collected, and no value')
        yield f"rules = {_ids(what)}"
        yield ""
        yield "[dataset.retention]"
        yield f"nl = {_text(until_nl)}\nen = {_text(until_en)}"
        yield f'ends = "{ends}"'
        if until:
            yield f"rules = {_ids(until)}"
        yield ""


def _after(kept: Kept) -> str:
    """What its retention counts from."""
    if kept.ends == "term":
        return kept.after
    return f"stop:{kept.purposes[0]}" if kept.ends == "withdrawal" else "no-longer-needed"


_AT_ONCE: Final = ("uiterlijk aan het einde van de volgende werkdag", "by the end of the next working day")


def _title(words: str) -> Iterator[str]:
    yield ""
    yield f"# --- {words} {'-' * max(113 - len(words), 3)}"
    yield ""


def _noted(line: str, note: str) -> str:
    """A line with a note behind it, where notes stand."""
    return f"{line:<48} # {note}"


def _ids(ids: Iterable[str]) -> str:
    return f"[{', '.join(_text(id_) for id_ in ids)}]"


def _key(id_: str) -> str:
    return f'"{id_}"' if "." in id_ else id_


def _text(words: str) -> str:
    """A TOML string; JSON's escapes are TOML's, but for a delete character."""
    return json.dumps(words.replace("\x7f", " "), ensure_ascii=False)


_EXAMPLE: Final = """\
# --- processing: an activity, and the data that it keeps; take the # away and write your own ---------------------------------
#
# [classes]                                        # who the data are about
# member = { nl = "lid", en = "member", dpv = "dpv:Member" }
#
# [categories]                                     # what
# email = { nl = "e-mailadres", en = "e-mail address", dpv = "pd:EmailAddress" }
#
# [purposes]                                       # why
# membership = { nl = "ledenadministratie", en = "membership administration", dpv = "dpv:MemberPartnerManagement" }
#
# [milestones]                                     # moments that a term counts from
# "membership.ended" = { nl = "lidmaatschap beëindigd", en = "membership ended", dpv = "dpv:ActivityCompleted" }
#
# [[activity]]
# id = "membership"
# nl = "Ledenadministratie"
# en = "Membership administration"
# dpv = "dpv:MemberPartnerManagement"
# acts_as = "controller"                           # processor: on behalf of a client
# purposes = ["membership"]
# rules = ["XXX-01"]
#
# [[dataset]]                                      # categories that are kept and erased together
# id = "members"
# activity = "membership"
# nl = "gegevens van leden"
# en = "data of members"
# dpv = "dpv:ProvidedPersonalData"
# categories = ["email"]
# classes = ["member"]
# purposes = ["membership"]
# bases = ["contract"]                             # the first is the default; or "unspecified"
# values = "sealed"                                # or "not kept": that it was collected, and no value
# rules = ["XXX-01"]
#
# [dataset.retention]
# nl = "ten hoogste twee jaar na het lidmaatschap"
# en = "at most two years after the membership"
# ends = "term"                                    # milestone, criteria, client or "unspecified"
# rules = ["XXX-02"]
#
# [[promise]]                                      # at the end of the file, with the others
# kind = "retention"
# rule = "XXX-02"
# law = "5(1)(e)"
# activity = "membership"
# after = "membership.ended"
# term = "P2Y"
""".splitlines()
