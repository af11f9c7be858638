"""Who is one person when something is erased: strong identifiers and stated links join, weak ones only where they are unambiguous.

A weak identifier (email, phone, ip; the pack says which) may be shared by a family or a department. It never
carries an erasure from one person to another: such people are candidates, which somebody confirms (DESIGN 7). So is
an identifier that was linked until a moment: what was collected under it since may be somebody else's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ledger.domain.facts import Fact
from ledger.policy.model import Pack
from ledger.policy.timeline import LINKED, UNLINKED


class Resolved(NamedTuple):
    """The pseudonyms that are one person, and those that only share a weak identifier with them."""

    people: frozenset[str]
    candidates: frozenset[str]


class _Web:
    """Who is tied to whom by these facts: by a stated link, or by being named together."""

    def __init__(self, facts: Iterable[Fact], packs: Mapping[str, Pack]) -> None:
        self.strong: set[str] = set()
        self.stated: dict[str, set[str]] = defaultdict(set)
        self.together: dict[str, set[str]] = defaultdict(set)
        self.once: dict[str, set[str]] = defaultdict(set)
        """Linked until a moment: an identifier that was given to somebody else since."""
        apart: set[frozenset[str]] = set()
        ended: set[frozenset[str]] = set()
        for fact in sorted(facts, key=lambda fact: (fact.time, fact.source, fact.id)):
            if fact.person is None:
                continue
            pack = packs.get(fact.organisation)
            if pack is not None and fact.scheme is not None and pack.is_strong(fact.scheme):
                self.strong.add(fact.person)
            for other in fact.also:
                self.together[fact.person].add(other)
                self.together[other].add(fact.person)
            if fact.other is not None and fact.type in {LINKED, UNLINKED}:
                pair = frozenset((fact.person, fact.other))
                (apart.discard if fact.type == LINKED else apart.add)(pair)
                (ended.add if fact.type == LINKED and fact.until is not None else ended.discard)(pair)
                self.stated[fact.person].add(fact.other)
                self.stated[fact.other].add(fact.person)
        for pair in apart:
            one, other = (*pair, *pair)[:2]
            for ties in (self.stated, self.together):
                ties[one].discard(other)
                ties[other].discard(one)

        for pair in ended:
            one, other = (*pair, *pair)[:2]
            self.once[one].add(other)
            self.once[other].add(one)

    def carries(self, one: str, other: str) -> bool:
        """Whether being named together makes these two one person: no weak one among them is shared with a third."""
        weak = [person for person in (one, other) if person not in self.strong]
        return all(len((self.together[person] & self.strong) - {one, other}) == 0 for person in weak)


def resolve(facts: Iterable[Fact], packs: Mapping[str, Pack], start: Iterable[str]) -> Resolved:
    """Who is the same person as `start`, by facts about them and about whoever may be linked with them."""
    web = _Web(facts, packs)
    found, candidates = set(start), set()
    front = list(found)
    while front:
        person = front.pop()
        near = {other for other in web.together[person] if web.carries(person, other)} | web.stated[person]
        near -= web.once[person]
        candidates |= (web.together[person] | web.once[person]) - near
        for other in near - found:
            found.add(other)
            front.append(other)
    # Who shares a weak identifier with this person is known through that identifier.
    shared = {other for weak in candidates - web.strong for other in web.together[weak]}
    return Resolved(frozenset(found), frozenset((candidates | shared) - found))
