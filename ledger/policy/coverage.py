"""Every rule accounted for: how it is judged, by which kinds of promise, on what assumption, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from ledger.domain.calendar import local
from ledger.policy.findings import Finding
from ledger.policy.model import Pack, Rule
from ledger.policy.promises.records import ACCOUNTABILITY
from ledger.policy.references import promised_rules
from ledger.policy.sentences import Sentence, cited, sentences

if TYPE_CHECKING:
    from ledger.policy.law import Law
    from ledger.policy.promises import Promise

Row: TypeAlias = dict[str, Any]
LAW: Final = "gdpr"
"""What stands as organisation in the rows of the statutory layer."""
_RECORDS: Final = "records"
"""What judges the records themselves: the one kind without a promise (contract, Reading 25)."""


class Tested(Struct, frozen=True):
    """What came of rules on recorded events: how many events put each to the test, and the findings that name it."""

    judged: Mapping[str, int]
    findings: Mapping[str, int]
    last: Mapping[str, datetime]

    def of(self, rule: str) -> Row:
        """The three columns of one rule; `last` is when its latest finding began."""
        last = self.last.get(rule)
        return {
            "judged": self.judged.get(rule, 0),
            "findings": self.findings.get(rule, 0),
            "last": None if last is None else local(last).isoformat(),
        }


def outcome_of(judged: Mapping[str, int], findings: Iterable[Finding]) -> Tested:
    """Count findings by every rule that they name, in `rule` or in `also`."""
    counts, last = Counter[str](), dict[str, datetime]()
    for finding in findings:
        for rule in (finding.rule, *finding.also):
            counts[rule] += 1
            last[rule] = max(finding.since, last.get(rule, finding.since))
    return Tested(judged, counts, last)


def coverage(pack: Pack, statement: str | None = None, data: Tested | None = None) -> Iterator[Row]:
    """One row for each rule: how it is judged, by which kinds of promise, and what was assumed; with data, what came of it.

    With the text of the statement the rows follow the text: each sentence with each of its rules, and a row with
    `rule` None for a sentence that has none. A rule that places no sentence comes last.
    """
    kinds = _kinds(pack.promises)
    rows = {rule.id: _rule(pack, rule, kinds) | _tested(rule.id, data) for rule in pack.file.rules}
    if statement is None:
        yield from rows.values()
        return
    found = sentences(statement)
    placed = _rules_by_sentence(pack.file.rules, statement, found)
    for number, sentence in enumerate(found, 1):
        where = {"sentence": number, "line": sentence.line, "text": sentence.text}
        for id_ in placed.get(sentence.start, ()):
            yield rows[id_] | where
        if sentence.start not in placed:
            yield _NO_RULE | {"organisation": pack.organisation} | _tested("", data) | where
    there = {id_ for ids in placed.values() for id_ in ids}
    yield from (row for id_, row in rows.items() if id_ not in there)


def law_coverage(law: Law, data: Tested | None = None) -> Iterator[Row]:
    """The same for the articles that apply where no rule of a statement does."""
    kinds = _kinds(law.promises)
    kinds.setdefault(ACCOUNTABILITY.rule, [_RECORDS])
    for article in law.articles.values():
        yield {
            "organisation": LAW,
            "rule": article.id,
            "words": article.nl,
            "how": article.how,
            "promises": kinds.get(article.id, []),
            "law": article.article,
            "nl": article.nl,
            "en": article.en,
            "assumed": article.assumed,
            "changes": article.changes,
            "doubt": None,
            "reason": article.reason,
            "assumed_nl": article.assumed_nl,
            "changes_nl": article.changes_nl,
            "doubt_nl": None,
            "reason_nl": article.reason_nl,
        } | _tested(article.id, data)


_NO_RULE: Final[Row] = {
    **dict.fromkeys(("organisation", "rule", "words", "how")),
    "promises": [],
    **dict.fromkeys(("law", "nl", "en", "assumed", "changes", "doubt", "reason")),
    **dict.fromkeys(("assumed_nl", "changes_nl", "doubt_nl", "reason_nl")),
}
"""What stands for the rule of a sentence that has none."""

# --- parts ------------------------------------------------------------------------------------------------------------


def _rule(pack: Pack, rule: Rule, kinds: Mapping[str, list[str]]) -> Row:
    return {
        "organisation": pack.organisation,
        "rule": rule.id,
        "words": rule.words,
        "how": rule.how,
        "promises": kinds.get(rule.id, []),
        "law": rule.law,
        "nl": rule.nl,
        "en": rule.en,
        "assumed": rule.assumed,
        "changes": rule.changes,
        "doubt": rule.doubt,
        "reason": rule.reason,
        "assumed_nl": rule.assumed_nl,
        "changes_nl": rule.changes_nl,
        "doubt_nl": rule.doubt_nl,
        "reason_nl": rule.reason_nl,
    }


def _tested(rule: str, data: Tested | None) -> Row:
    return {} if data is None else data.of(rule)


def _kinds(promises: Iterable[Promise]) -> dict[str, list[str]]:
    """The kinds of promise that name each rule, each once, in the order of the pack."""
    kinds: dict[str, dict[str, None]] = {}
    for promise in promises:
        kind: str = msgspec.to_builtins(promise)["kind"]
        for id_ in promised_rules(promise):
            kinds.setdefault(id_, {})[kind] = None
    return {id_: list(names) for id_, names in kinds.items()}


def _rules_by_sentence(rules: Iterable[Rule], statement: str, found: list[Sentence]) -> dict[int, list[str]]:
    """The rules of each sentence, by where the sentence starts; a citation that is not there once places nothing."""
    placed: dict[int, dict[str, None]] = {}
    for rule in rules:
        for words in (rule.words, *rule.more):
            sentence = cited(found, statement, words)
            if sentence is not None:
                placed.setdefault(sentence.start, {})[rule.id] = None
    return {start: sorted(ids) for start, ids in placed.items()}
