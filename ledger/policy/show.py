"""A pack as rows that people read: what is kept, why, for how long, and which sentence says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

from ledger.policy.labels import spoken
from ledger.policy.law import Law
from ledger.policy.model import (
    UNSPECIFIED,
    Activity,
    ActivityRow,
    Dataset,
    Open,
    Pack,
    ParameterLabel,
    Prohibited,
    Retention,
)
from ledger.policy.sentences import cited, sentences

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


def identity(pack: Pack, language: Language) -> Iterator[tuple[str, str]]:
    """Whose statement it is, in which version and reading, since when, who plays which part: (name, text)."""
    statement, words = pack.file.statement, _WORDS[language]
    yield words["statement"], f"{statement.name}: {statement.title}"
    yield words["version"], f"{statement.version} ({words['reading']} {statement.reading})"
    since = statement.effective_from.isoformat()
    told = (language == "nl" and statement.effective_from_assumed_nl) or statement.effective_from_assumed
    yield words["since"], f"{since} ({told})" if told else since
    yield words["text"], f"SHA-256 {statement.sha256}"
    for id_, party in pack.file.parties.items():
        same = party.same_person_as
        other = f" ({words['same']} {same})" if same is not None else ""
        yield id_, f"{_of(party, language)}{other}{_ruled(party.rule)}"
    doubts = sum(rule.doubt is not None for rule in pack.file.rules)
    assumed = sum(rule.assumed is not None for rule in pack.file.rules)
    yield words["rules"], f"{len(pack.rules)}, {assumed} {words['assumed_rules']}, {doubts} {words['doubts']}"


def paragraphs(pack: Pack, row: Mapping[str, Any], language: Language) -> Iterator[tuple[str, str]]:
    """What a dataset's row says, for a person to read: (name, text), without what is empty."""
    words = _WORDS[language]
    for name, key, space in _PARAGRAPHS:
        value = row[key] if space is None or row[key] == UNSPECIFIED else _labelled(pack, space, row[key], language)
        text = words["unspecified"] if value == UNSPECIFIED else value if isinstance(value, str) else ", ".join(value)
        if text:
            yield words[name], text
    if row["values"] != "sealed" or row["not_kept"]:
        yield words["values"], ", ".join(_labelled(pack, "category", row["not_kept"], language)) or words["none kept"]
    for text in row["words"]:
        yield words["words"], f"“{text}”"
    for text in row["assumed"]:
        yield words["assumed"], text


def lists(pack: Pack, language: Language, statement: str | None = None) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """What else the statement says, beside its datasets: (title, [(id, text)]), without what is empty."""
    words, file = _WORDS[language], pack.file
    yield from _filled(
        words["recipients"],
        [(row["recipient"], _recipient(row, words)) for row in recipients(pack, language, statement)],
    )
    yield from _filled(words["parameters"], [(id_, _parameter(row, language)) for id_, row in file.parameters.items()])
    yield from _filled(
        words["controls"],
        [
            (id_, f"{_of(row, language)}, {_every(row.every, language)}{_ruled(row.rule)}")
            for id_, row in file.controls.items()
        ],
    )
    yield from _filled(
        words["prohibited"], [(row.activity, _prohibited(pack, row, language)) for row in file.prohibited]
    )
    yield from _filled(
        words["open"], [(row.about, f"{_of(row, language)}. {_instead(row, language)}") for row in file.open]
    )


def client(row: Mapping[str, Any], language: Language) -> str:
    """What a client set, in words: the parameter, what applies, and why."""
    how = _CLIENT[language][row["how"]]
    applies = spoken(row["applies"], language) if row["applies"] else _CLIENT[language]["nothing"]
    said = f" {spoken(row['instructed'], language)}" if row["how"] == "bound" else ""
    since = f" ({row['since'][:10]})" if row["since"] else ""
    reference = f" {row['reference']}" if row["reference"] else ""
    rules = ", ".join(filter(None, (row["rule"], *row["also"])))
    return f"{row['parameter']}{reference}: {applies}, {how}{said}{since} [{rules}]"


_CLIENT: Final = {
    "en": {
        "instructed": "as instructed",
        "bound": "the nearest bound, instead of",
        "assumed": "assumed, because nothing was instructed",
        "none": "because nothing was instructed",
        "nothing": "no term",
    },
    "nl": {
        "instructed": "zoals opgedragen",
        "bound": "de dichtstbijzijnde grens, in plaats van",
        "assumed": "aangenomen, omdat er niets is opgedragen",
        "none": "omdat er niets is opgedragen",
        "nothing": "geen termijn",
    },
}


def law(found: Law, language: Language) -> Iterator[Row]:
    """The statutory layer in rows: articles, rights, terms, bases, conditions, statutes, and adequacy by date."""
    file = found.file
    for one in found.articles.values():
        yield _of_law("article", one.id, _of(one, language), one.article)
    for id_, right in file.rights.items():
        yield _of_law("right", id_, _of(right, language), right.article, _within(right.term, right.extension, language))
    for id_, clock in file.clocks.items():
        yield _of_law("clock", id_, _of(clock, language), clock.article, _within(clock.term, None, language))
    for id_, basis in file.bases.items():
        yield _of_law("basis", id_, _of(basis, language), basis.article)
    for id_, condition in file.conditions.items():
        yield _of_law("condition", id_, _of(condition, language), condition.article)
    for id_, statute in file.statutes.items():
        yield _of_law("statute", id_, _of(statute, language), statute.law, _within(statute.term, None, language))
    for row in sorted(file.adequacy, key=lambda row: (row.country, row.from_)):
        holds = f"{row.from_} - {row.ended or ''}".strip()
        scope = ", ".join(filter(None, (row.decision, row.covers, row.scope, row.note)))
        yield _of_law("adequacy", row.country, f"{row.name} ({scope})", "45", holds=holds)


def _of_law(what: str, id_: str, text: str, article: str, term: str | None = None, holds: str | None = None) -> Row:
    return {"what": what, "id": id_, "text": text, "law": article, "term": term, "holds": holds}


def _within(term: str | None, extension: str | None, language: Language) -> str | None:
    if term is None:
        return None
    longer = {"en": "may be extended by", "nl": "te verlengen met"}[language]
    return spoken(term, language) + (f", {longer} {spoken(extension, language)}" if extension else "")


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
        sentence = cited(self._sentences, self._statement, words)
        return sentence.text if sentence is not None else words


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
        "bases_labels": UNSPECIFIED
        if isinstance(dataset.bases, str)
        else [_basis(pack, id_, language) for id_ in dataset.bases],
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
        "dpv": _dpv(pack, activity, dataset),
        "assumed": [told for row in (activity, dataset, retention) if (told := _assumed(row, language))],
    }


_PARAGRAPHS: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("categories", "categories", None),
    ("classes", "classes", None),
    ("purposes", "purposes", None),
    ("basis", "bases_labels", None),
    ("kept", "retention", None),
    ("from", "recipients", None),
    ("systems", "systems", "system"),
    ("where", "locations", None),
    ("who", "roles", "role"),
    ("rules", "rules", None),
)
"""The name, the column and, where the column has ids, their space."""
_WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "statement": "statement", "version": "version", "reading": "reading", "since": "in force from", "text": "its text", "same": "the same person as",
        "rules": "rules", "assumed_rules": "with an assumed default", "doubts": "doubtful as they stand", "unspecified": "unspecified", "categories": "data",
        "classes": "about", "purposes": "for", "basis": "basis", "kept": "kept", "from": "recipients", "systems": "systems", "where": "stored in", "who": "roles",
        "values": "no value kept", "none kept": "of anything", "words": "words", "assumed": "assumed", "recipients": "Recipients that the statement names",
        "parameters": "What a client may set", "controls": "Controls that are promised", "prohibited": "Data that are not kept", "open": "What the statement leaves open", "every": "every", "no cadence": "how often is not said",
        "country": "country", "contract": "contract", "between": "between", "and": "and", "for": "for",
    },
    "nl": {
        "statement": "verklaring", "version": "versie", "reading": "lezing", "since": "geldt vanaf", "text": "de tekst", "same": "dezelfde persoon als",
        "rules": "regels", "assumed_rules": "met een aangenomen uitleg", "doubts": "op zichzelf twijfelachtig", "unspecified": "niet vermeld", "categories": "gegevens",
        "classes": "over", "purposes": "voor", "basis": "grondslag", "kept": "bewaard", "from": "ontvangers", "systems": "systemen", "where": "opgeslagen", "who": "rollen",
        "values": "geen waarde van", "none kept": "enig gegeven", "words": "tekst", "assumed": "aangenomen", "recipients": "Ontvangers die de verklaring noemt",
        "parameters": "Wat een opdrachtgever mag instellen", "controls": "Beloofde controles", "prohibited": "Gegevens die niet worden bewaard", "open": "Wat de verklaring openlaat", "every": "elke", "no cadence": "hoe vaak staat er niet",
        "country": "land", "contract": "overeenkomst", "between": "tussen", "and": "en", "for": "voor",
    },
}  # fmt: skip


def _of(label: Any, language: Language) -> str:
    return str(getattr(label, language))


def _assumed(row: ActivityRow | Dataset | Retention | ParameterLabel, language: Language) -> str | None:
    return (language == "nl" and row.assumed_nl) or row.assumed


def _instead(row: Open, language: Language) -> str:
    return (language == "nl" and row.instead_nl) or row.instead


def _ruled(rule: str | None) -> str:
    return f" [{rule}]" if rule is not None else ""


def _said(value: str, words: Mapping[str, str]) -> str:
    return words["unspecified"] if value == UNSPECIFIED else value


def _every(term: str, language: Language) -> str:
    words = _WORDS[language]
    return words["no cadence"] if term == UNSPECIFIED else f"{words['every']} {spoken(term, language)}"


def _filled(title: str, rows: list[tuple[str, str]]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    if rows:
        yield title, rows


def _recipient(row: Row, words: Mapping[str, str]) -> str:
    where, contract = _said(row["country"], words), _said(row["contract"], words)
    return f"{row['what']}; {words['country']}: {where}; {words['contract']}: {contract}{_ruled(row['rule'])}"


def _parameter(row: ParameterLabel, language: Language) -> str:
    words = _WORDS[language]
    bounds = (
        f", {words['between']} {spoken(row.at_least, language)} {words['and']} {spoken(row.at_most, language)}"
        if row.at_least and row.at_most
        else ""
    )
    told = _assumed(row, language)
    assumed = f". {words['assumed'].capitalize()}: {told}" if told else ""
    return f"{_of(row, language)}{bounds}{_ruled(row.rule)}{assumed}"


def _prohibited(pack: Pack, row: Prohibited, language: Language) -> str:
    whom = _labelled(pack, "class", row.classes, language)
    of = f" ({_WORDS[language]['classes']}: {', '.join(whom)})" if whom else ""
    return f"{', '.join(_labelled(pack, 'category', row.categories, language))}{of}{_ruled(row.rule)}"


def _basis(pack: Pack, id_: str, language: Language) -> str:
    label = pack.law.file.bases.get(id_)
    return id_ if label is None else f"{_of(label, language)} (Art. {label.article})"


def _dpv(pack: Pack, activity: Activity, dataset: Dataset) -> Row:
    """The terms of the W3C Data Privacy Vocabulary behind a row, by id."""
    bases = () if isinstance(dataset.bases, str) else dataset.bases
    spaces = (
        ("categories", "category", dataset.categories),
        ("classes", "class", dataset.classes),
        ("purposes", "purpose", dataset.purposes),
    )
    return {
        "activity": activity.dpv,
        "dataset": dataset.dpv,
        **{
            name: {id_: label.dpv for id_ in ids if (label := pack.label(space, id_)) is not None}
            for name, space, ids in spaces
        },
        "bases": {id_: pack.law.file.bases[id_].dpv for id_ in bases},
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
