"""Two packs side by side, and two judgements side by side: what is new, what is gone, what changed, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal, TypeAlias

import msgspec

from ledger.domain.calendar import local
from ledger.policy.findings import Finding, order, row
from ledger.policy.labels import spoken
from ledger.policy.model import Pack

Row: TypeAlias = dict[str, Any]
Tongue: TypeAlias = Literal["nl", "en"]
_TONGUES: Final[tuple[Tongue, ...]] = ("nl", "en")

# --- packs --------------------------------------------------------------------------------------------------------------

_TABLES: Final = (
    ("parties", "party"),
    ("classes", "class"),
    ("categories", "category"),
    ("purposes", "purpose"),
    ("consents", "consent"),
    ("roles", "role"),
    ("systems", "system"),
    ("recipients", "recipient"),
    ("services", "service"),
    ("milestones", "milestone"),
    ("controls", "control"),
    ("duties", "duty"),
    ("parameters", "parameter"),
    ("schemes", "scheme"),
    ("notices", "notice"),
)
_NOUNS_NL: Final = {
    "statement": "verklaring",
    "party": "partij",
    "class": "soort betrokkene",
    "category": "gegevenscategorie",
    "purpose": "doel",
    "consent": "toestemming",
    "role": "rol",
    "system": "systeem",
    "recipient": "ontvanger",
    "service": "dienst",
    "milestone": "mijlpaal",
    "control": "controle",
    "duty": "informatieplicht",
    "parameter": "parameter",
    "scheme": "identificatie",
    "notice": "kennisgeving",
    "activity": "verwerkingsactiviteit",
    "dataset": "gegevensverzameling",
    "prohibited": "verbod",
    "open": "open punt",
    "rule": "regel",
    "promise": "afspraak",
}
_KEYS: Final = ("kind", "rule", "id", "about")


def noun(what: str, tongue: Tongue) -> str:
    """What kind of thing changed, in words; the sentences of a change begin with it."""
    return what if tongue == "en" else _NOUNS_NL[what]


def pack_changes(before: Pack, after: Pack) -> Iterator[Row]:
    """What changed from one pack to another, each change with its place, both values, and a sentence in two languages.

    Rules, datasets, activities and ids are paired by their id, promises by kind, rule and what they have in common.
    """
    old, new = msgspec.to_builtins(before.file), msgspec.to_builtins(after.file)
    yield from _fields("statement", before.organisation, old["statement"], new["statement"], None)
    for table, noun in _TABLES:
        yield from _paired(noun, old.get(table) or {}, new.get(table) or {})
    yield from _paired("activity", _by_id(old["activity"]), _by_id(new["activity"]))
    yield from _paired("dataset", _by_id(old["dataset"]), _by_id(new["dataset"]))
    yield from _paired("rule", _by_id(old["rule"]), _by_id(new["rule"]))
    for table, keys in (("prohibited", ("rule",)), ("open", ("about",))):
        yield from _unpaired(table, *_matched(old.get(table) or [], new.get(table) or [], keys))
    was = [msgspec.to_builtins(promise) for promise in before.promises]
    now = [msgspec.to_builtins(promise) for promise in after.promises]
    yield from _unpaired("promise", *_matched(was, now, ("kind", "rule")))


def _by_id(entries: Iterable[Row]) -> dict[str, Row]:
    return {entry["id"]: entry for entry in entries}


def _paired(noun: str, old: Mapping[str, Row], new: Mapping[str, Row]) -> Iterator[Row]:
    for id_ in dict.fromkeys((*old, *new)):
        if id_ not in new:
            yield _whole("removed", noun, id_, old[id_])
        elif id_ not in old:
            yield _whole("added", noun, id_, new[id_])
        else:
            yield from _fields(noun, id_, old[id_], new[id_], _rule_of(noun, id_, new[id_]))


def _unpaired(noun: str, gone: Iterable[Row], came: Iterable[Row], paired: Iterable[tuple[Row, Row]]) -> Iterator[Row]:
    for old, new in paired:
        yield from _fields(noun, _name(new), old, new, new.get("rule"))
    for entry in gone:
        yield _whole("removed", noun, _name(entry), entry)
    for entry in came:
        yield _whole("added", noun, _name(entry), entry)


def _name(entry: Row) -> str:
    """What an entry without an id is called: its kind and rule, and where it acts."""
    named = [str(entry[key]) for key in _KEYS if key in entry]
    where = entry.get("activity") or entry.get("field") or entry.get("control") or entry.get("name")
    return " ".join([*named, *([str(where)] if isinstance(where, str) else [])])


def _matched(
    old: Sequence[Row], new: Sequence[Row], keys: tuple[str, ...]
) -> tuple[list[Row], list[Row], list[tuple[Row, Row]]]:
    """(gone, came, changed): equal entries are left out, the others paired within their key by what they share."""
    left = [entry for entry in old if entry not in new]
    came = [entry for entry in new if entry not in old]
    gone, paired = [], []
    for entry in left:
        near = [other for other in came if all(other[key] == entry[key] for key in keys)]
        best = max(near, key=lambda other: _alike(entry, other), default=None)
        if best is None:
            gone.append(entry)
        else:
            came.remove(best)
            paired.append((entry, best))
    return gone, came, paired


def _alike(one: Row, other: Row) -> int:
    return sum(one.get(key) == other.get(key) for key in one.keys() | other.keys())


def _rule_of(noun: str, id_: str, entry: Row) -> str | None:
    if noun == "rule":
        return id_
    return entry.get("rule") or next(iter(entry.get("rules") or ()), None)


def _whole(change: Literal["added", "removed"], noun: str, id_: str, entry: Row) -> Row:
    nl, en = entry.get("nl"), entry.get("en")
    is_nl, is_en = ("is nieuw", "is new") if change == "added" else ("is vervallen", "is gone")
    return {
        "change": change,
        "what": noun,
        "id": id_,
        "field": None,
        "before": entry if change == "removed" else None,
        "after": entry if change == "added" else None,
        "rule": _rule_of(noun, id_, entry),
        "nl": f"{_NOUNS_NL[noun]} {id_} {is_nl}: {nl or _described(entry, 'nl')}",
        "en": f"{noun} {id_} {is_en}: {en or _described(entry, 'en')}",
    }


def _described(entry: Row, tongue: Tongue) -> str:
    rest = {key: value for key, value in entry.items() if key not in (*_KEYS, "law", "words", "nl", "en", "dpv")}
    return _plain(rest, tongue) or "-"


def _fields(noun: str, id_: str, old: Row, new: Row, rule: str | None) -> Iterator[Row]:
    for field in dict.fromkeys((*old, *new)):
        before, after = old.get(field), new.get(field)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _nested(noun, id_, field, before, after, rule)
        else:
            yield _changed(noun, id_, field, before, after, rule)


def _nested(noun: str, id_: str, field: str, before: Row, after: Row, rule: str | None) -> Iterator[Row]:
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) != after.get(key):
            yield _changed(noun, id_, f"{field}.{key}", before.get(key), after.get(key), rule)


def _changed(noun: str, id_: str, field: str, before: Any, after: Any, rule: str | None) -> Row:
    named = {tongue: _field(field, tongue) for tongue in _TONGUES}
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        gone, came = [item for item in before if item not in after], [item for item in after if item not in before]
        said = {tongue: _moved(named[tongue], gone, came, tongue) for tongue in _TONGUES}
    else:
        said = {
            tongue: f"{named[tongue]} was {_plain(before, tongue) or _NOT_GIVEN[tongue]}, "
            f"{_IS_NOW[tongue]} {_plain(after, tongue) or _NOT_GIVEN[tongue]}"
            for tongue in _TONGUES
        }
    return {
        "change": "changed",
        "what": noun,
        "id": id_,
        "field": field,
        "before": before,
        "after": after,
        "rule": rule,
        "nl": f"{_NOUNS_NL[noun]} {id_}: {said['nl']}",
        "en": f"{noun} {id_}: {said['en']}",
    }


def _moved(field: str, gone: Sequence[Any], came: Sequence[Any], tongue: Tongue) -> str:
    """What left a list and what came into it."""
    without, with_, and_, order_ = _LIST_WORDS[tongue]
    parts = [f"{word} {_plain(items, tongue)}" for word, items in ((without, gone), (with_, came)) if items]
    return f"{field} {f' {and_} '.join(parts)}" if parts else f"{field} {order_}"


def _field(field: str, tongue: Tongue) -> str:
    head, dot, rest = field.partition(".")
    return _FIELDS.get(head, {}).get(tongue, head) + (f" {rest}" if dot else "")


def _plain(value: Any, tongue: Tongue) -> str:
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, str):
        return spoken(value, tongue)
    if isinstance(value, bool):
        return _TRUTHS[tongue][value]
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item, tongue) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{_field(key, tongue)} {_plain(item, tongue)}" for key, item in value.items() if item)
    return str(value)


_NOT_GIVEN: Final = {"en": "not given", "nl": "niet gegeven"}
_IS_NOW: Final = {"en": "is now", "nl": "is nu"}
_TRUTHS: Final = {"en": ("no", "yes"), "nl": ("nee", "ja")}
_LIST_WORDS: Final = {
    "en": ("now without", "now with", "and", "now in another order"),
    "nl": ("nu zonder", "nu met", "en", "nu in andere volgorde"),
}
_FIELDS: Final[dict[str, dict[str, str]]] = {
    "activities": {"en": "activities", "nl": "verwerkingsactiviteiten"},
    "after": {"en": "counted from", "nl": "geteld vanaf"},
    "allowed": {"en": "allowed", "nl": "toegestaan"},
    "also": {"en": "other rules", "nl": "andere regels"},
    "assumed": {"en": "assumed", "nl": "aangenomen"},
    "bases": {"en": "bases", "nl": "grondslagen"},
    "categories": {"en": "categories", "nl": "gegevens"},
    "changes": {"en": "what would change it", "nl": "wat dat anders maakt"},
    "classes": {"en": "classes", "nl": "betrokkenen"},
    "contract": {"en": "contract", "nl": "overeenkomst"},
    "country": {"en": "country", "nl": "land"},
    "dpv": {"en": "DPV term", "nl": "DPV-term"},
    "effective_from": {"en": "in force from", "nl": "geldt vanaf"},
    "en": {"en": "English label", "nl": "Engelse tekst"},
    "every": {"en": "every", "nl": "elke"},
    "how": {"en": "judged by", "nl": "getoetst op"},
    "law": {"en": "article", "nl": "artikel"},
    "nl": {"en": "Dutch label", "nl": "Nederlandse tekst"},
    "purposes": {"en": "purposes", "nl": "doelen"},
    "reading": {"en": "reading", "nl": "lezing"},
    "retention": {"en": "retention", "nl": "bewaring"},
    "rights": {"en": "rights", "nl": "rechten"},
    "roles": {"en": "roles", "nl": "rollen"},
    "service": {"en": "service", "nl": "dienst"},
    "sha256": {"en": "text (SHA-256)", "nl": "tekst (SHA-256)"},
    "systems": {"en": "systems", "nl": "systemen"},
    "term": {"en": "term", "nl": "termijn"},
    "then": {"en": "afterwards", "nl": "daarna"},
    "values": {"en": "values", "nl": "waarden"},
    "version": {"en": "version", "nl": "versie"},
    "when": {"en": "for acts with", "nl": "voor handelingen met"},
    "words": {"en": "words", "nl": "woorden"},
}

# --- judgements ---------------------------------------------------------------------------------------------------------

_COMPARED: Final = ("rule", "also", "law", "code", "severity", "activity", "dataset", "about", "since", "until")
"""What makes a finding another one; the words of a message may change with a label."""


def finding_changes(before: Iterable[Finding], after: Iterable[Finding]) -> tuple[list[Row], int]:
    """The findings that appear, disappear or change from one judgement to another, by since; and how many stay."""
    left, right = _counted(before), _counted(after)
    stay = 0
    for same in left.keys() & right.keys():
        count = min(len(left[same]), len(right[same]))
        stay += count
        del left[same][:count], right[same][:count]
    gone = sorted((finding for rows in left.values() for finding in rows), key=order)
    came = sorted((finding for rows in right.values() for finding in rows), key=order)
    rows: list[tuple[Finding | None, Finding | None]] = []
    for alike in _ALIKE:
        gone, came, pairs = _pair(gone, came, alike)
        rows += pairs
    rows += [(finding, None) for finding in gone] + [(None, finding) for finding in came]
    told = [_told(old, new) for old, new in rows]
    return sorted(told, key=lambda made: (made["since"], made["rule"], made["about"], made["change"])), stay


def _counted(findings: Iterable[Finding]) -> dict[tuple[object, ...], list[Finding]]:
    found: dict[tuple[object, ...], list[Finding]] = defaultdict(list)
    for finding in findings:
        found[finding.person, *(getattr(finding, name) for name in _COMPARED)].append(finding)
    return found


_ALIKE: Final[tuple[Callable[[Finding], tuple[object, ...]], ...]] = (
    lambda finding: (finding.person, finding.about, finding.code, finding.activity, finding.dataset),
    lambda finding: (finding.person, finding.about[:1], finding.code),
    lambda finding: (finding.person, finding.about[:1], finding.rule),
)
"""When a finding that is gone and one that came are the same contradiction, seen otherwise: the closest likeness first."""


def _pair(
    gone: Sequence[Finding], came: Sequence[Finding], alike: Callable[[Finding], tuple[object, ...]]
) -> tuple[list[Finding], list[Finding], list[tuple[Finding | None, Finding | None]]]:
    waiting: dict[tuple[object, ...], list[Finding]] = defaultdict(list)
    for finding in came:
        waiting[alike(finding)].append(finding)
    left, pairs = [], list[tuple[Finding | None, Finding | None]]()
    for finding in gone:
        near = waiting.get(alike(finding))
        if near:
            pairs.append((finding, near.pop(0)))
        else:
            left.append(finding)
    return left, sorted((finding for rows in waiting.values() for finding in rows), key=order), pairs


def _told(old: Finding | None, new: Finding | None) -> Row:
    shown = new or old
    assert shown is not None  # noqa: S101 -- one of the two is always there
    change = "changes" if old is not None and new is not None else "appears" if new is not None else "disappears"
    differs = (
        [] if old is None or new is None else [name for name in _COMPARED if getattr(old, name) != getattr(new, name)]
    )
    return {
        "change": change,
        "rule": shown.rule,
        "severity": shown.severity,
        "code": shown.code,
        "organisation": shown.organisation,
        "activity": shown.activity,
        "dataset": shown.dataset,
        "person": shown.person,
        "about": list(shown.about),
        "since": local(shown.since).isoformat(),
        "differs": differs,
        "before": None if old is None else row(old),
        "after": None if new is None else row(new),
        "message": {"nl": shown.message.nl, "en": shown.message.en},
    }


# --- a version as if it had been in force ---------------------------------------------------------------------------------


def in_force_from(pack: Pack, day: date, versions: Iterable[Pack] = ()) -> Pack:
    """The same pack as if it bound from another day: to ask what it would have found in what happened since then.

    `versions` are those in force until now; the ones from before that day still judge their own time.
    """
    earlier = tuple(version for version in versions if version.effective_from < day)
    if pack.effective_from == day and pack.earlier == earlier:
        return pack
    statement = msgspec.structs.replace(pack.file.statement, effective_from=day)
    return Pack(msgspec.structs.replace(pack.file, statement=statement), pack.law, pack.promises, earlier)
