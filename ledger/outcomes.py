"""What asking for a value can come to: each a type of its own, so that none can pass for another.

A value, Superseded (it was rectified, Art. 16), Erased (its key was destroyed) or Withheld (this reader did not
ask for it, or may not see it). A key that is unknown and bytes that were altered are no outcomes: KeyMissing
and Tampered are raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

from ledger.domain.events import DataRectified
from ledger.keys import IDENTITY, Erased
from ledger.sealing import Header


class Value(NamedTuple):
    """What was sealed, as the service sent it."""

    content: Any


class Superseded(NamedTuple):
    """What was sealed, and is no longer so: event `by` rectified it at that time."""

    content: Any
    at: datetime
    by: str


class Withheld(NamedTuple):
    """What is sealed and stays so for this reader; `why` says how it could be seen."""

    why: str


Outcome: TypeAlias = Value | Superseded | Erased | Withheld
Sections: TypeAlias = dict[str, dict[str, Outcome] | Erased | Withheld]
"""By dataset: the outcome of each category, or what became of the dataset as a whole."""

ALL: Final = "event"
"""Under `identity` stands the event itself, without its values."""
_Subject: TypeAlias = tuple[str, str | None, str | None, str]


def outcomes(facts: Sequence[tuple[Header, Mapping[str, Any | Erased]]]) -> list[Sections]:
    """The outcome of each value in one person's facts, given with their opened sections; pure.

    A value is superseded by the first rectification of its category, activity and client that follows it.
    """
    rectified = _rectifications(header for header, _ in facts)
    return [
        {
            dataset: part if isinstance(part, Erased) else _categories(header, dataset, part, rectified)
            for dataset, part in sections.items()
        }
        for header, sections in facts
    ]


def withheld(header: Header, why: str) -> Sections:
    """What a reader sees of a fact who did not open it; a dataset erased before it arrived is erased for them too."""
    sealed: Sections = {section.dataset: Withheld(why) for section in header.sections}
    return sealed | {dataset: Erased(None, "") for dataset in header.erased}


def _rectifications(headers: Iterable[Header]) -> dict[_Subject, list[Header]]:
    found: dict[_Subject, list[Header]] = {}
    for header in headers:
        if header.type == DataRectified.WIRE:
            for category in header.with_values:
                found.setdefault(_subject(header, category), []).append(header)
    return {subject: sorted(several, key=_order) for subject, several in found.items()}


def _subject(header: Header, category: str) -> _Subject:
    return header.organisation, header.activity, header.client, category


def _order(header: Header) -> tuple[datetime, str, str]:
    return header.time, header.source, header.id


def _categories(
    header: Header, dataset: str, content: Any, rectified: Mapping[_Subject, Sequence[Header]]
) -> dict[str, Outcome]:
    if dataset == IDENTITY or not isinstance(content, dict):
        return {ALL: Value(content)}
    found: dict[str, Outcome] = {}
    for category, value in content.items():
        later = [one for one in rectified.get(_subject(header, category), ()) if _order(one) > _order(header)]
        found[category] = Superseded(value, later[0].time, later[0].id) if later else Value(value)
    return found
