"""A pack as rows that people read: what is kept, why, for how long, and which sentence says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from ledger.policy.model import UNSPECIFIED, Activity, Dataset, Pack, Rule
from ledger.policy.references import promised_rules
from ledger.policy.sentences import Sentence, at_place, places_of, sentences

Language: TypeAlias = Literal["nl", "en"]
Row: TypeAlias = dict[str, Any]


def packs(found: Iterable[Pack]) -> Iterator[Row]:
    """One row for each statement: whose it is, since when, how many rules, defaults assumed and things left open."""
    for pack in found:
        statement = pack.file.statement
        yield {
            "organisation": pack.organisation,
            "name": pack.name,
            "version": pack.version,
            "effective_from": pack.effective_from,
            "reading": statement.reading,
            "rules": len(pack.rules),
            "promises": len(pack.promises),
            "activities": len(pack.activities),
            "datasets": len(pack.datasets),
            "assumed": sum(rule.assumed is not None for rule in pack.file.rules),
            "open": len(pack.file.open),
        }


def datasets(pack: Pack, language: Language, statement: str | None = None) -> Iterator[Row]:
    """One row for each dataset, with the words of the statement (with its text: whole sentences)."""
    text = _Text(statement)
    for activity in pack.activities.values():
        for dataset in activity.datasets.values():
            yield _dataset(pack, activity, dataset, language, text)


def recipients(pack: Pack, language: Language, statement: str | None = None) -> Iterator[Row]:
    """One row for each recipient that the statement names."""
    text = _Text(statement)
    for id_, recipient in pack.file.recipients.items():
        yield {
            "organisation": pack.organisation,
            "recipient": id_,
            "what": getattr(recipient, language),
            "service": recipient.service,
            "country": recipient.country,
            "contract": recipient.contract,
            "activities": list(recipient.activities),
            "rule": recipient.rule,
            "words": text.of(pack, [recipient.rule] if recipient.rule else []),
        }


def coverage(pack: Pack, statement: str | None = None) -> Iterator[Row]:
    """One row for each rule: how it is judged, by which kinds of promise, and what was assumed.

    With the text of the statement the rows follow the text: each sentence with each of its rules, and a row with
    `rule` None for a sentence that has none. A rule that places no sentence comes last.
    """
    kinds = _kinds(pack)
    if statement is None:
        yield from (_rule(pack, rule, kinds) for rule in pack.file.rules)
        return
    found = sentences(statement)
    placed = _rules_by_sentence(pack.file.rules, statement, found)
    for number, sentence in enumerate(found, 1):
        where = {"sentence": number, "line": sentence.line, "text": sentence.text}
        for id_ in placed.get(sentence.start, ()):
            yield _rule(pack, pack.rules[id_], kinds) | where
        if sentence.start not in placed:
            yield {"organisation": pack.organisation, "rule": None} | where
    there = {id_ for ids in placed.values() for id_ in ids}
    yield from (_rule(pack, rule, kinds) for rule in pack.file.rules if rule.id not in there)


# --- parts ------------------------------------------------------------------------------------------------------------


class _Text:
    """The words behind rules: the citations, or with the text of the statement the sentences around them."""

    def __init__(self, statement: str | None) -> None:
        self._statement = statement or ""
        self._sentences = sentences(self._statement)

    def of(self, pack: Pack, rules: Iterable[str]) -> list[str]:
        """Each rule's words once, in the order of the rules."""
        return list(dict.fromkeys(self._around(pack.rules[id_].words) for id_ in rules))

    def _around(self, words: str) -> str:
        places = places_of(self._statement, words)
        sentence = at_place(self._sentences, places[0]) if len(places) == 1 else None
        return sentence.text if sentence is not None else words


def _rule(pack: Pack, rule: Rule, kinds: Mapping[str, list[str]]) -> Row:
    return {
        "organisation": pack.organisation,
        "rule": rule.id,
        "words": rule.words,
        "how": rule.how,
        "promises": kinds.get(rule.id, []),
        "law": rule.law,
        "assumed": rule.assumed,
        "changes": rule.changes,
        "doubt": rule.doubt,
        "reason": rule.reason,
    }


def _dataset(pack: Pack, activity: Activity, dataset: Dataset, language: Language, text: _Text) -> Row:
    retention, rules = dataset.retention, dict.fromkeys((*dataset.rules, *dataset.retention.rules))
    return {
        "organisation": pack.organisation,
        "activity": activity.id,
        "acts_as": activity.acts_as,
        "dataset": dataset.id,
        "what": getattr(dataset, language),
        "categories": _categories(pack, dataset, language),
        "classes": _labelled(pack, "class", dataset.classes, language),
        "purposes": _labelled(pack, "purpose", dataset.purposes, language),
        "bases": UNSPECIFIED if isinstance(dataset.bases, str) else list(dataset.bases),
        "recipients": _recipients(pack, activity.id),
        "systems": list(activity.systems),
        "locations": activity.locations if isinstance(activity.locations, str) else list(activity.locations),
        "roles": activity.roles if isinstance(activity.roles, str) else list(activity.roles),
        "retention": getattr(retention, language),
        "retention_ends": retention.ends,
        "then": retention.then,
        "values": dataset.values or "sealed",
        "not_kept": list(dataset.not_kept),
        "rules": list(rules),
        "words": text.of(pack, rules),
        "assumed": [text_ for text_ in (activity.assumed, dataset.assumed, retention.assumed) if text_],
    }


def _labelled(pack: Pack, space: str, ids: Iterable[str], language: Language) -> list[str]:
    return [_label(pack, space, id_, language) for id_ in ids]


def _label(pack: Pack, space: str, id_: str, language: Language) -> str:
    label = pack.label(space, id_)
    return id_ if label is None else str(getattr(label, language))


def _categories(pack: Pack, dataset: Dataset, language: Language) -> list[str]:
    return _labelled(pack, "category", dataset.categories, language)


def _recipients(pack: Pack, activity: str) -> list[str]:
    """The recipients that the statement names for an activity, or for any."""
    return [
        id_
        for id_, recipient in pack.file.recipients.items()
        if not recipient.activities or activity in recipient.activities
    ]


def _kinds(pack: Pack) -> Mapping[str, list[str]]:
    """The kinds of promise that name each rule, each once, in the order of the pack."""
    kinds: dict[str, dict[str, None]] = {}
    for promise in pack.promises:
        kind: str = msgspec.to_builtins(promise)["kind"]
        for id_ in promised_rules(promise):
            kinds.setdefault(id_, {})[kind] = None
    return {id_: list(names) for id_, names in kinds.items()}


def _rules_by_sentence(rules: Iterable[Rule], statement: str, found: list[Sentence]) -> dict[int, list[str]]:
    """The rules of each sentence, by where the sentence starts; a citation that is not there once places nothing."""
    placed: dict[int, dict[str, None]] = {}
    for rule in rules:
        for words in (rule.words, *rule.more):
            places = places_of(statement, words)
            sentence = at_place(found, places[0]) if len(places) == 1 else None
            if sentence is not None:
                placed.setdefault(sentence.start, {})[rule.id] = None
    return {start: sorted(ids) for start, ids in placed.items()}
