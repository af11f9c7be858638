"""What is known of one organisation and of one person, in the order in which it happened.

Facts are ordered by (time, source, id), so that the order of arrival never matters. Everything here is
asked by time: what held, was promised, was held or was in force at a moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ledger.domain.calendar import FOREVER, last_moment, moment_of
from ledger.domain.facts import Fact

COLLECTED: Final = "pdl.data.collected.v1"
USED: Final = "pdl.data.used.v1"
SHARED: Final = "pdl.data.shared.v1"
RECTIFIED: Final = "pdl.data.rectified.v1"
DELETED: Final = "pdl.data.deleted.v1"
GIVEN: Final = "pdl.consent.given.v1"
REFUSED: Final = "pdl.consent.refused.v1"
WITHDRAWN: Final = "pdl.consent.withdrawn.v1"
OBJECTION: Final = "pdl.objection.raised.v1"
MILESTONE: Final = "pdl.milestone.reached.v1"
SIGNED: Final = "pdl.contract.signed.v1"
ENDED: Final = "pdl.contract.ended.v1"
HOLD: Final = "pdl.hold.placed.v1"
RELEASED: Final = "pdl.hold.released.v1"
RESTRICTED: Final = "pdl.restriction.placed.v1"
LIFTED: Final = "pdl.restriction.lifted.v1"
INSTRUCTED: Final = "pdl.client.instructed.v1"
WARRANTY: Final = "pdl.warranty.given.v1"
ENGAGED: Final = "pdl.processor.engaged.v1"
DISENGAGED: Final = "pdl.processor.ended.v1"
INFORMED: Final = "pdl.subject.informed.v1"
NOTICE: Final = "pdl.notice.given.v1"
RETRACTED: Final = "pdl.fact.retracted.v1"
LINKED: Final = "pdl.subject.linked.v1"
UNLINKED: Final = "pdl.subject.unlinked.v1"
UNSOLICITED: Final = "pdl.unsolicited.received.v1"
TRIAGED: Final = "pdl.unsolicited.triaged.v1"
REPORTED: Final = "pdl.source.reported.v1"
FORWARDED: Final = "pdl.request.forwarded.v1"
ACKNOWLEDGED: Final = "pdl.recipient.acknowledged.v1"

CONTRACT_ENDED: Final = "contract.ended"
CLASS_OF_MILESTONE: Final = {"customer.became": "customer", "response.received": "respondent"}
"""Milestones that change the class of a person (contract, Reading 3)."""


def by_time(fact: Fact) -> tuple[datetime, str, str]:
    """The one order of facts."""
    return (fact.time, fact.source, fact.id)


def same(one: str | None, other: str | None) -> bool:
    """Whether two ids agree: equal, or one of them is not given."""
    return one is None or other is None or one == other


def without_retracted(facts: Iterable[Fact]) -> list[Fact]:
    """The facts in order, without those that were retracted, whenever that was; a retracted retraction is void."""
    ordered = sorted(facts, key=by_time)
    gone: set[tuple[str | None, str | None]] = set()
    for fact in reversed(ordered):
        if fact.type == RETRACTED and (fact.source, fact.id) not in gone:
            gone.add((fact.retracts_source, fact.retracts_id))
    return [fact for fact in ordered if (fact.source, fact.id) not in gone] if gone else ordered


def grouped(ordered: Iterable[Fact]) -> dict[str, list[Fact]]:
    """The facts (in order) of each person, under one of their pseudonyms: linked identifiers are one person.

    The last word on a pair counts (linked, unlinked): an unlinked pair was never linked, whatever `also` says.
    A link `until` a moment joins what the other identifier did before it.
    """
    members: dict[str, list[Fact]] = {}
    said: dict[tuple[str, str], Fact | None] = {}
    for fact in ordered:
        if fact.person is None:
            continue
        members.setdefault(fact.person, []).append(fact)
        for other in fact.also:
            said.setdefault(_pair(fact.person, other), None)
        if fact.other is not None and fact.type in {LINKED, UNLINKED}:
            said[_pair(fact.person, fact.other)] = fact
    return members if not said else _joined(members, list(_links(members, said)))


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)


def _links(members: dict[str, list[Fact]], said: dict[tuple[str, str], Fact | None]) -> Iterator[tuple[str, str]]:
    """The pairs that are one person; an identifier that was linked until a moment is split there."""
    for pair, word in said.items():
        if word is None or (word.type == LINKED and word.until is None):
            yield pair
        elif word.type == LINKED and word.person is not None and word.other is not None:
            until = moment_of(word.until, ends=True) or FOREVER
            theirs = members.pop(word.other, [])
            early, late = (
                [fact for fact in theirs if fact.time < until],
                [fact for fact in theirs if fact.time >= until],
            )
            if late:
                members[word.other] = late
            if early:
                name = f"{word.other} {until.isoformat()}" if late else word.other
                members[name] = early
                yield _pair(word.person, name)


def _joined(members: dict[str, list[Fact]], pairs: list[tuple[str, str]]) -> dict[str, list[Fact]]:
    head: dict[str, str] = {}

    def find(person: str) -> str:
        top = person
        while (above := head.get(top, top)) != top:
            top = above
        while (above := head.get(person, person)) != person:
            head[person], person = top, above
        return top

    for one, other in pairs:
        first, second = sorted((find(one), find(other)))
        head[second] = first
    joined: dict[str, list[Fact]] = defaultdict(list)
    for person, facts in members.items():
        joined[find(person)] += facts
    return {person: sorted(facts, key=by_time) for person, facts in joined.items()}


def _by_type(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        found[fact.type].append(fact)
    return found


class Contract(NamedTuple):
    """A contract and the time in which it is valid: from `start` up to `end`; a term after it counts from `last`."""

    signed: Fact
    start: datetime
    end: datetime
    last: datetime

    def valid(self, at: datetime) -> bool:
        """Whether it is in force at a moment."""
        return self.start <= at < self.end

    def names(self, recipient: str | None) -> bool:
        """Whether a recipient is its party or is named in it."""
        return recipient is not None and (self.signed.party == recipient or recipient in self.signed.recipients)


def contracts_of(signed: Sequence[Fact], ended: Sequence[Fact]) -> list[Contract]:
    """Each signed contract with its validity (contract, Reading 1)."""
    found = []
    for fact in signed:
        start = max(fact.time, moment_of(fact.from_) or fact.time)
        ends = [end.time for end in ended if end.reference == fact.reference and end.time >= fact.time]
        until = moment_of(fact.until, ends=True) or FOREVER
        last = last_moment(fact.until) or FOREVER
        first = min(ends, default=FOREVER)
        found.append(Contract(fact, start, min(first, until), first if first < until else last))
    return found


class Span(NamedTuple):
    """A hold or restriction: from `start` up to `end`, with the fact that placed it and the one that ended it.

    `last` is the moment that a term counts from which starts when it ended.
    """

    placed: Fact
    start: datetime
    end: datetime
    last: datetime
    lifted: Fact | None = None


def holds_of(placed: Sequence[Fact], released: Sequence[Fact]) -> list[Span]:
    """Each hold with the time in which it binds; `until` a date ends with that day."""
    spans = []
    for fact in placed:
        end = next((off for off in released if off.reference == fact.reference and off.time >= fact.time), None)
        until = moment_of(fact.until, ends=True) or FOREVER
        last = last_moment(fact.until) or FOREVER
        if end is not None and end.time < until:
            until = last = end.time
        spans.append(Span(fact, fact.time, until, last, end))
    return spans


class Moment(NamedTuple):
    """A milestone that was reached, by which fact."""

    time: datetime
    fact: Fact


class Topic(NamedTuple):
    """What a judgement asked of an organisation: the kind of question, what it was about, and which part of that."""

    kind: str
    name: str
    part: str = ""


class Change(NamedTuple):
    """Which answers a fact of an organisation may change: of a kind, about names and parts (None: all), from `since` on.

    `milestone`: only for those who asked about that milestone too.
    """

    kind: str
    names: tuple[str, ...] | None
    parts: tuple[str, ...] | None
    since: datetime
    milestone: str | None = None

    def touches(self, asked: Mapping[Topic, datetime]) -> bool:
        """Whether one of these questions, each asked about moments up to the one given, may be answered differently now."""
        return (self.milestone is None or Topic("milestone", self.milestone) in asked) and any(
            topic.kind == self.kind
            and (self.names is None or topic.name in self.names)
            and (self.parts is None or topic.part in self.parts)
            and last >= self.since
            for topic, last in asked.items()
        )


class Organisation:
    """Everything that concerns an organisation as a whole, or everyone it names by client or reference.

    `first` is its first fact of all, with or without a person: cadences run from it. Facts about a person who
    was erased (fenced) name nobody any more, and are passed over. Whoever judges a person asks through the methods
    here: while `asked` is a dictionary, every question is noted in it with the last moment that it was about, so that
    a register knows whom a later fact of the organisation touches (`changes`).
    """

    def __init__(self, facts: Iterable[Fact] = (), first: Fact | None = None) -> None:
        ordered = sorted((fact for fact in facts if not fact.fenced), key=by_time)
        self.facts: Final = ordered
        self.first: Final = first if first is not None else (ordered[0] if ordered else None)
        self.asked: dict[Topic, datetime] | None = None
        self._types: Final = _by_type(ordered)
        self._milestones: Final = _index(self._types[MILESTONE], "milestone")
        self._ended: Final = _index(self._types[ENDED], "reference")
        self._holds: Final = holds_of(self._types[HOLD], self._types[RELEASED])
        self._released: Final = _index(self._types[RELEASED], "reference")
        self._instructed: Final = _index(self._types[INSTRUCTED], "client")
        self._warranties: Final = _index(self._types[WARRANTY], "client")
        self._forwarded: Final = _index(self._types[FORWARDED], "reference")
        self._acknowledged: Final = _index(self._types[ACKNOWLEDGED], "notification")
        self._triaged: Final = _index(self._types[TRIAGED], "reference", none="")
        self._engaged: Final = _index(self._types[ENGAGED], "recipient")
        self._disengaged: Final = _index(self._types[DISENGAGED], "recipient")
        self._party: Final[dict[str, list[Contract]]] = defaultdict(list)
        for contract in contracts_of(self._types[SIGNED], self._types[ENDED]):
            for party in _parties(contract.signed):
                self._party[party].append(contract)

    def _note(self, kind: str, name: str | None, part: str | None = None, at: datetime = FOREVER) -> None:
        if self.asked is not None:
            topic = Topic(kind, name or "", part or "")
            self.asked[topic] = max(at, self.asked.get(topic, at))

    @property
    def types(self) -> Mapping[str, list[Fact]]:
        """All facts by type; who asks for a person in this way is touched by every one of them."""
        self._note("anything", None)
        return self._types

    def contracts_with(self, recipient: str | None, cited: str | None, at: datetime) -> Sequence[Contract]:
        """The contracts that name a recipient, for an act at a moment that cites one of them (or none)."""
        self._note("contract", recipient, cited, at)
        return self._party.get(recipient or "", ())

    def ends_of(self, reference: str | None) -> Sequence[Fact]:
        """What ended the contract with a reference, without naming a person."""
        self._note("end", reference)
        return self._ended.get(reference or "", ())

    def milestones(self, name: str, places: Collection[tuple[str | None, str | None]]) -> list[Fact]:
        """The milestones that everyone with a client and reference reached, for somebody in these (client, reference)."""
        self._note("milestone", name)
        for client, reference in places:
            self._note("place", client, reference)
        return [
            fact
            for fact in self._milestones.get(name, ())
            if any(same(fact.client, client) and same(fact.reference, reference) for client, reference in places)
        ]

    def holds_on(self, dataset: str, client: str | None) -> list[Span]:
        """The holds on everyone in a dataset of a client."""
        self._note("hold", dataset, client)
        return [
            span
            for span in self._holds
            if (not span.placed.datasets or dataset in span.placed.datasets) and same(span.placed.client, client)
        ]

    def releases_of(self, reference: str | None) -> Sequence[Fact]:
        """What released the hold with a reference, without naming a person."""
        self._note("release", reference)
        return self._released.get(reference or "", ())

    def forwards_of(self, reference: str | None) -> Sequence[Fact]:
        """The forwardings of a request that name no person."""
        self._note("forward", reference)
        return self._forwarded.get(reference or "", ())

    def acknowledgements_of(self, notification: str) -> Sequence[Fact]:
        """The acknowledgements of a notification that name no person."""
        self._note("acknowledgement", notification)
        return self._acknowledged.get(notification, ())

    def triages_of(self, reference: str | None) -> Sequence[Fact]:
        """What was decided of unsolicited data with a reference, without naming a person."""
        self._note("triage", reference)
        return self._triaged.get(reference or "", ())

    def is_processor(self, recipient: str, at: datetime) -> bool:
        """Whether a recipient is engaged as a processor at a moment."""
        self._note("processor", recipient, at=at)
        for engaged in self._engaged.get(recipient, ()):
            ends = [off.time for off in self._disengaged.get(recipient, ()) if off.time >= engaged.time]
            if engaged.time <= at < min(ends, default=FOREVER):
                return True
        return False

    def destructions(self, client: str | None, reference: str | None) -> list[Fact]:
        """The instructions of a client to destroy data with a reference, in order."""
        self._note("destroy", client, reference)
        return list(self._instructions(client, reference, "destroy"))

    def parameter(self, name: str, client: str | None, reference: str | None, at: datetime) -> tuple[str, Fact] | None:
        """What a client set for a parameter, as the latest instruction before or at a moment says."""
        self._note("configure", client, reference, at)
        found = None
        for fact in self._instructions(client, reference, "configure"):
            if fact.time <= at and fact.parameters is not None and name in fact.parameters:
                found = (str(fact.parameters[name]), fact)
        return found

    def _instructions(self, client: str | None, reference: str | None, kind: str) -> Iterator[Fact]:
        for fact in self._instructed.get(client or "", ()):
            if fact.instruction == kind and (fact.reference is None or fact.reference == reference):
                yield fact

    def warranted(self, client: str | None, reference: str | None, at: datetime) -> frozenset[str]:
        """The parts that a client has warranted by a moment."""
        self._note("warranty", client, reference, at)
        rows = (
            fact
            for fact in self._warranties.get(client or "", ())
            if fact.time <= at and same(fact.reference, reference)
        )
        return frozenset(part for fact in rows for part in fact.parts)

    def country_of(self, client: str, at: datetime) -> str | None:
        """The country of a client, as last said by a moment."""
        self._note("client", client, at=at)
        rows = [*self._instructed.get(client, ()), *(contract.signed for contract in self._party.get(client, ()))]
        said = [fact for fact in rows if fact.time <= at and fact.country is not None]
        return max(said, key=by_time).country if said else None

    def is_public(self, client: str | None, at: datetime) -> bool:
        """Whether a client said that it is a public body."""
        self._note("client", client, at=at)
        said = [
            fact.public
            for fact in self._instructed.get(client or "", ())
            if fact.time <= at and fact.public is not None
        ]
        return bool(said and said[-1])

    # --- what changes answers ---------------------------------------------------------------------------------------------

    def changes(self, fact: Fact) -> list[Change]:
        """Which answers may differ with this fact and without it; the others of the organisation are those here.

        A fact says something from its own time on; a contract, hold or release stands with others of its reference.
        """
        if fact.fenced or fact.person is not None:
            return []
        found = [Change("anything", None, None, fact.time)]
        if fact.type == ENDED:
            signed = (other for other in self._types[SIGNED] if other.reference == fact.reference)
            found += [change for other in signed for change in _contract_changes(other, fact.time)]
        elif fact.type == RELEASED:
            found += [_hold_change(held) for held in self._types[HOLD] if held.reference == fact.reference]
        return found + _CHANGES.get(fact.type, _no_changes)(fact)


def _parties(signed: Fact) -> set[str]:
    return {party for party in (signed.party, *signed.recipients) if party is not None}


def _contract_changes(signed: Fact, since: datetime) -> list[Change]:
    """A contract that begins or ends: for whoever shared with one of its parties and cited it, or cited none."""
    parties = tuple(sorted(_parties(signed)))
    return [
        Change("contract", parties, (signed.reference or "", ""), since),
        Change("client", parties, None, since),
    ]


def _hold_change(held: Fact) -> Change:
    return Change("hold", held.datasets or None, _or_none_given(held.client), held.time)


def _or_none_given(id_: str | None) -> tuple[str, ...] | None:
    """Which ids agree with one (see `same`); None for all of them."""
    return None if id_ is None else (id_, "")


def _no_changes(_fact: Fact) -> list[Change]:
    return []


def _by(kind: str, field: str) -> Callable[[Fact], list[Change]]:
    return lambda fact: [Change(kind, (getattr(fact, field) or "",), None, fact.time)]


_CHANGES: Final[dict[str, Callable[[Fact], list[Change]]]] = {
    SIGNED: lambda fact: _contract_changes(fact, fact.time),
    ENDED: _by("end", "reference"),
    MILESTONE: lambda fact: [
        Change("place", _or_none_given(fact.client), _or_none_given(fact.reference), fact.time, fact.milestone or "")
    ],
    HOLD: lambda fact: [_hold_change(fact)],
    RELEASED: _by("release", "reference"),
    ENGAGED: _by("processor", "recipient"),
    DISENGAGED: _by("processor", "recipient"),
    INSTRUCTED: lambda fact: [
        Change(fact.instruction or "", (fact.client or "",), _or_none_given(fact.reference), fact.time),
        Change("client", (fact.client or "",), None, fact.time),
    ],
    WARRANTY: lambda fact: [Change("warranty", (fact.client or "",), _or_none_given(fact.reference), fact.time)],
    FORWARDED: _by("forward", "reference"),
    ACKNOWLEDGED: _by("acknowledgement", "notification"),
    TRIAGED: _by("triage", "reference"),
}
"""Beside what it does to others of its reference: which answers a fact changes by itself."""


def _index(facts: Iterable[Fact], field: str, none: str | None = None) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        key = getattr(fact, field)
        key = none if key is None else key
        if key is not None:
            found.setdefault(key, []).append(fact)
    return found


class Copy:
    """One category of one collection in one system, from `start` until it was deleted there."""

    __slots__ = ("category", "collected", "end", "ended_by", "start", "system")

    def __init__(self, collected: Fact, category: str, system: str | None, start: datetime) -> None:
        self.collected = collected
        self.category = category
        self.system = system
        self.start = start
        self.end = FOREVER
        self.ended_by: Fact | None = None

    def reached_by(self, deleted: Fact) -> bool:
        """Whether a deletion ends this copy (contract, Readings 5, 20, 27)."""
        collected = self.collected
        return (
            collected.activity == deleted.activity
            and (deleted.system is None or deleted.system == self.system)
            and same(deleted.client, collected.client)
            and (deleted.reference is None or deleted.reference == collected.reference)
            and ("*" in deleted.categories or self.category in deleted.categories)
        )


class Person:
    """The facts of one person in order, with what follows from them."""

    def __init__(self, facts: Sequence[Fact], organisation: Organisation, name: str | None = None) -> None:
        self.name: Final = name if name is not None else (facts[0].person if facts else None)
        self.facts: Final = facts
        self.organisation: Final = organisation
        self.types: Final = _by_type(facts)
        self._copies: list[Copy] | None = None
        self._contracts: list[Contract] | None = None
        self._milestones: dict[str, list[Moment]] = {}
        self._signs: dict[str, list[Moment]] = {}
        self._holds: list[Span] | None = None
        self._restrictions: list[Span] | None = None
        self._classes: list[Fact] | None = None
        self._consents: dict[str, list[Fact]] | None = None
        self._places: frozenset[tuple[str | None, str | None]] | None = None

    @property
    def places(self) -> frozenset[tuple[str | None, str | None]]:
        """The (client, reference) under which this person is known, without those that a wider one covers (`same`)."""
        if self._places is None:
            found = {(fact.client, fact.reference) for fact in self.facts}
            self._places = frozenset(
                (client, reference)
                for client, reference in found
                if not any(
                    wider != (client, reference) and wider[0] in {None, client} and wider[1] in {None, reference}
                    for wider in found
                )
            )
        return self._places

    # --- class --------------------------------------------------------------------------------------------------------

    @property
    def classed(self) -> list[Fact]:
        """The collections and milestones that say what class the person has, in order (contract, Reading 3)."""
        if self._classes is None:
            rows = [fact for fact in self.types[COLLECTED] if fact.class_ is not None]
            rows += [fact for fact in self.types[MILESTONE] if fact.milestone in CLASS_OF_MILESTONE]
            rows += [fact for name in CLASS_OF_MILESTONE for fact in self.organisation.milestones(name, self.places)]
            self._classes = sorted(rows, key=by_time)
        return self._classes

    def class_at(self, at: datetime, client: str | None = None) -> str | None:
        """The latest class at a moment."""
        for fact in reversed(self.classed):
            if fact.time <= at and same(fact.client, client):
                return fact.class_ if fact.type == COLLECTED else CLASS_OF_MILESTONE[fact.milestone or ""]
        return None

    # --- consent ------------------------------------------------------------------------------------------------------

    @property
    def consents(self) -> dict[str, list[Fact]]:
        """Consents, refusals, withdrawals and objections by purpose, in order."""
        if self._consents is None:
            found: dict[str, list[Fact]] = {}
            rows = [*self.types[GIVEN], *self.types[REFUSED], *self.types[WITHDRAWN], *self.types[OBJECTION]]
            for fact in sorted(rows, key=by_time) if len(rows) > 1 else rows:
                found.setdefault(fact.purpose or "", []).append(fact)
            self._consents = found
        return self._consents

    def last_word(self, purpose: str, at: datetime, client: str | None, recipient: str | None = None) -> Fact | None:
        """The consent, refusal, withdrawal or objection that decides at a moment; a given consent counts at once."""
        for fact in reversed(self.consents.get(purpose, ())):
            if fact.time > at or (fact.time == at and fact.type != GIVEN):
                continue
            if same(fact.client, client) and fact.recipient in {None, recipient}:
                return fact
        return None

    def consent(self, purpose: str, at: datetime, client: str | None, recipient: str | None = None) -> Fact | None:
        """The consent for a purpose that is in force at a moment."""
        word = self.last_word(purpose, at, client, recipient)
        if word is None or word.type != GIVEN:
            return None
        until = moment_of(word.until, ends=True)
        return word if until is None or at < until else None

    def stop(self, purpose: str, at: datetime, client: str | None, recipient: str | None = None) -> Fact | None:
        """The withdrawal or objection that ended use for a purpose, unless new consent reopened it (Reading 4)."""
        for fact in reversed(self.consents.get(purpose, ())):
            if fact.time > at or fact.type == REFUSED or (fact.time == at and fact.type != GIVEN):
                continue
            if same(fact.client, client) and fact.recipient in {None, recipient}:
                return None if fact.type == GIVEN else fact
        return None

    # --- contracts and milestones ---------------------------------------------------------------------------------------

    @property
    def contracts(self) -> list[Contract]:
        """Contracts with this person; a milestone contract.ended ends them too."""
        if self._contracts is None:
            signed = self.types[SIGNED]
            if not signed:
                self._contracts = []
                return self._contracts
            ended = [
                *self.types[ENDED],
                *(off for fact in signed for off in self.organisation.ends_of(fact.reference)),
            ]
            reached = [fact for fact in self.types[MILESTONE] if fact.milestone == CONTRACT_ENDED]
            self._contracts = []
            for contract in contracts_of(signed, ended):
                marks = [
                    fact.time
                    for fact in reached
                    if fact.time >= contract.signed.time and same(fact.reference, contract.signed.reference)
                ]
                mark = min(marks, default=FOREVER)
                self._contracts.append(contract if contract.end <= mark else contract._replace(end=mark, last=mark))
        return self._contracts

    def contract_with(self, reference: str | None, at: datetime) -> Contract | None:
        """A contract with this person that is valid at a moment and has this reference (or any, if none is given)."""
        for contract in self.contracts:
            if contract.valid(at) and (reference is None or contract.signed.reference == reference):
                return contract
        return None

    def milestone(self, name: str) -> list[Moment]:
        """When a milestone was reached for this person, or for everyone, in order."""
        found = self._milestones.get(name)
        if found is None:
            found = self._milestones[name] = self.once(name, self.signs(name))
        return found

    def signs(self, name: str) -> list[Moment]:
        """Every fact by which a milestone was reached, in order; of a contract there may be several."""
        found = self._signs.get(name)
        if found is None:
            rows = [fact for fact in self.types[MILESTONE] if fact.milestone == name]
            rows += self.organisation.milestones(name, self.places)
            found = [Moment(fact.time, fact) for fact in sorted(rows, key=by_time)]
            if name == CONTRACT_ENDED:
                found = self._ends(found)
            self._signs[name] = found
        return found

    def once(self, name: str, signs: list[Moment]) -> list[Moment]:
        """The signs of a milestone without those that repeat an earlier one: both count once (Reading 1)."""
        if name != CONTRACT_ENDED or len(signs) < 2:  # noqa: PLR2004  one sign repeats nothing
            return signs
        kept: list[Moment] = []
        for sign in signs:
            if not any(_one_end(before, sign) and not self._renewed(before, sign) for before in kept):
                kept.append(sign)
        return kept

    def _ends(self, reached: list[Moment]) -> list[Moment]:
        """The signs that contracts with this person ended (Readings 1, 24)."""
        signs = [*reached, *(Moment(fact.time, fact) for fact in self.types[ENDED])]
        for contract in self.contracts:
            reference = contract.signed.reference or ""
            signs += [
                Moment(off.time, off)
                for off in self.organisation.ends_of(reference)
                if off.time >= contract.signed.time
            ]
            until = moment_of(contract.signed.until, ends=True)
            if until is not None and not any(
                other.start < until < other.end
                for other in self.contracts
                if other.signed.reference == contract.signed.reference
            ):
                signs.append(Moment(last_moment(contract.signed.until) or until, contract.signed))
        each = {(sign.time, sign.fact.source, sign.fact.id): sign for sign in signs}
        return [each[key] for key in sorted(each)]

    def _renewed(self, before: Moment, sign: Moment) -> bool:
        return any(
            before.time < contract.signed.time <= sign.time and same(contract.signed.reference, sign.fact.reference)
            for contract in self.contracts
        )

    # --- what is held, and what holds it ----------------------------------------------------------------------------------

    @property
    def copies(self) -> list[Copy]:
        """Every copy that was reported, with the moment at which it ended."""
        if self._copies is None:
            copies: list[Copy] = []
            live: dict[str | None, list[Copy]] = {}
            for fact in self.facts:
                if fact.type == COLLECTED:
                    made = [Copy(fact, category, fact.system, fact.time) for category in fact.categories]
                elif fact.type == USED and fact.system is not None:
                    made = _new_holders(fact, live.get(fact.activity, []), copies)
                elif fact.type == DELETED:
                    live[fact.activity] = _end(fact, live.get(fact.activity, []))
                    continue
                else:
                    continue
                if made:
                    copies += made
                    live.setdefault(fact.activity, []).extend(made)
            self._copies = copies
        return self._copies

    def holds_on(self, dataset: str, client: str | None) -> list[Span]:
        """The holds that bind a dataset of a client: on this person, and on everyone in it."""
        own = [span for span in self.holds if not span.placed.datasets or dataset in span.placed.datasets]
        return [
            *(span for span in own if same(span.placed.client, client)),
            *self.organisation.holds_on(dataset, client),
        ]

    @property
    def holds(self) -> list[Span]:
        """Holds on this person alone."""
        if self._holds is None:
            placed = self.types[HOLD]
            own = []
            if placed:
                released = [
                    *self.types[RELEASED],
                    *(off for fact in placed for off in self.organisation.releases_of(fact.reference)),
                ]
                own = holds_of(placed, sorted(released, key=by_time))
            self._holds = own
        return self._holds

    @property
    def restrictions(self) -> list[Span]:
        """Restrictions of processing, each with what lifted it."""
        if self._restrictions is None:
            self._restrictions = []
            for fact in self.types[RESTRICTED]:
                off = next((end for end in self.types[LIFTED] if _lifts(end, fact)), None)
                end = FOREVER if off is None else off.time
                self._restrictions.append(Span(fact, fact.time, end, end, off))
        return self._restrictions


def _one_end(before: Moment, sign: Moment) -> bool:
    """Whether two signs tell of the end of one contract; a milestone that is reached anew is a later end (Reading 16)."""
    return same(before.fact.reference, sign.fact.reference) and not before.fact.type == sign.fact.type == MILESTONE


def _lifts(lifted: Fact, placed: Fact) -> bool:
    return (
        by_time(lifted) > by_time(placed)
        and (lifted.ground is None or lifted.ground == placed.ground)
        and same(lifted.client, placed.client)
        and same(lifted.activity, placed.activity)
        and same(lifted.reference, placed.reference)
    )


def _end(deleted: Fact, live: Iterable[Copy]) -> list[Copy]:
    """End the copies that a deletion reaches, and return the others."""
    left = []
    for copy in live:
        if copy.reached_by(deleted):
            copy.end, copy.ended_by = deleted.time, deleted
        else:
            left.append(copy)
    return left


def _new_holders(used: Fact, live: Sequence[Copy], copies: Sequence[Copy]) -> list[Copy]:
    """The copies that a use in a named system shows to be there (contract, Reading 20)."""
    made = []
    for category in dict.fromkeys(used.categories):
        held = [copy for copy in live if copy.category == category and same(copy.collected.client, used.client)]
        there = {id(copy.collected) for copy in held if copy.system == used.system}
        shown = {id(copy.collected): copy.collected for copy in held}
        if not held:
            gone = [
                copy.collected
                for copy in copies
                if copy.category == category
                and copy.collected.activity == used.activity
                and same(copy.collected.client, used.client)
            ]
            shown = {0: max(gone, key=by_time)} if gone else {}
        made += [
            Copy(collected, category, used.system, used.time)
            for collected in shown.values()
            if id(collected) not in there
        ]
    return made
