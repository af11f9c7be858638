"""The verbs of the ledger: record a batch of inputs, each of which ends as recorded, duplicate or quarantined."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import msgspec
import orjson
from cryptography.exceptions import InvalidTag
from msgspec import Struct

from ledger.decisions import DESTROYED, ORDERED
from ledger.domain.envelope import Envelope, Headers, Reason, Sealed, Unrecordable, read
from ledger.domain.errors import GenerationMoved, KeyMissing, Tampered, Unreadable
from ledger.domain.events import ConsentGiven, DataCollected, DataDeleted
from ledger.domain.facts import shown
from ledger.domain.sources import Speakers
from ledger.ingest import Opener
from ledger.keys import Erased, Fence, Identifier, Key, KeyStore, Scope
from ledger.policy.model import Pack
from ledger.sealing import ORGANISATION, TOKEN_MARK, Chance, Draft, SealingDesk, place
from ledger.sources import Gate
from ledger.store import Append, EventLog, EventRow, Known, NameRow, Quarantined, QuarantineRow

OWN_STREAMS: Final = ("operator:", "sweep:")
"""Streams of what the ledger itself reports; nothing from outside comes under these names."""
QUARANTINE_SCOPE: Final = Scope("", "", "", "quarantine")
WAITING: Final = "waiting"
"""The state of an input in quarantine until it is recorded, found to be a duplicate, or discarded."""
BATCH_INPUTS: Final = 2_000
"""How many inputs the edges hand over at once: large enough that one query and one commit weigh little."""
_FUTURE: Final = timedelta(days=1)
_LONG_AGO: Final = 1990
_ATTEMPTS: Final = 8
_FENCED: Final = b'"fenced":true'


class Input(NamedTuple):
    """One message as it came: its place in the stream (offset, line), bytes and headers; `size` if it was cut."""

    place: int
    body: bytes
    headers: Headers = ()
    size: int | None = None
    topic: str | None = None


class Problem(NamedTuple):
    """Why one input is in the quarantine: its place, the reason of the contract, and what to do."""

    place: int
    reason: Reason
    detail: str
    source: str | None
    event_id: str | None


class Receipt(NamedTuple):
    """What became of a batch; the three counts add up to its inputs. `position` is the log's last record."""

    recorded: int
    duplicate: int
    quarantined: int
    problems: tuple[Problem, ...]
    implausible: Mapping[str, int]
    position: int


class _Event(Struct, frozen=True, gc=False):
    given: Input
    envelope: Envelope
    canonical: bytes


class _Refused(NamedTuple):
    given: Input
    why: Unrecordable


class _Sifted(NamedTuple):
    fresh: list[_Event]
    repeated: int
    refused: list[_Refused]


class Ledger:
    """Records facts. One instance per process and data directory."""

    def __init__(self, log: EventLog, keys: KeyStore, packs: Mapping[str, Pack], clock: Callable[[], datetime]) -> None:
        self.log, self.keys, self.packs = log, keys, dict(packs)
        self._clock = clock
        self._gate = Gate(log)
        self._desks: dict[str, SealingDesk] = {}
        self._fenced_at: dict[int, datetime | None] = {}
        self._case_times: dict[str, datetime] = {}
        self._cases: dict[str, dict[str, Any]] = {}
        self._scopes_erased: Mapping[Scope, datetime] = {}
        self._erasures_of = 0

    def record(
        self, inputs: Sequence[Input], stream: str, mark: int, *, repeatable: bool = False, released: Sequence[int] = ()
    ) -> Receipt:
        """Record one batch of a stream, up to and including offset `mark`, in one transaction.

        `repeatable`: the stream may be read again from its start under another name (a file), so an input that
        is already in the quarantine is a duplicate. Raises BatchAlreadyRecorded when the mark is passed already.
        """
        events, refused = self._decoded(inputs, own=stream.startswith(OWN_STREAMS))
        for attempt in range(_ATTEMPTS):
            generation = self.log.generation()
            self.keys.forget(generation)
            sifted = self._sifted(events, refused)
            try:
                return self._append(sifted, stream, mark, generation, repeatable=repeatable, released=released)
            except GenerationMoved:
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    # --- reading what came

    def _decoded(self, inputs: Sequence[Input], *, own: bool = False) -> tuple[list[_Event], list[_Refused]]:
        events: list[_Event] = []
        refused: list[_Refused] = []
        speakers = None if own else self._gate.speakers()
        opener: Opener | None = None
        for given in inputs:
            found = (given.size and _too_large(given)) or read(given.body, given.headers)
            if isinstance(found, Sealed):
                opener = opener or Opener(self.keys)
                found = opener.open(found)
            if isinstance(found, Unrecordable):
                refused.append(_Refused(given, found))
            elif found.envelope.data.organisation not in self.packs:
                detail = "no policy pack of this ledger is for this organisation; see `pdl policy show`."
                refused.append(_Refused(given, _why("unknown-organisation", detail, found.envelope)))
            elif speakers is not None and (objection := _unheard(speakers, found.envelope)):
                refused.append(_Refused(given, _why("source-not-allowed", objection, found.envelope)))
            else:
                events.append(_Event(given, found.envelope, found.canonical))
        return events, refused

    def _sifted(self, events: list[_Event], refused: list[_Refused]) -> _Sifted:
        """Tell new events from repeats and conflicts: against the batch itself, then against the log."""
        first: dict[tuple[str, str], _Event] = {}
        refused = list(refused)
        repeated = 0
        for event in events:
            envelope = event.envelope
            same = first.setdefault((envelope.source, envelope.id), event)
            if same is event:
                continue
            if same.canonical == event.canonical:
                repeated += 1
            else:
                refused.append(_conflict(event))
        known = self.log.known(list(first))
        again = [first.pop(name) for name in known]
        for event, same_content in zip(again, self._same_content(again, known), strict=True):
            if same_content:
                repeated += 1
            else:
                refused.append(_conflict(event))
        return _Sifted(list(first.values()), repeated, refused)

    def _same_content(self, again: list[_Event], known: Mapping[tuple[str, str], Known]) -> list[bool]:
        """Whether events with a known id say what was recorded; once the key is gone, the id alone decides."""
        if not again:
            return []
        drafts = self._drafts(again, create=False)
        keys = self._existing({draft.recognised_by for draft in drafts if draft.recognised_by is not None})
        same = []
        for draft in drafts:
            was = known[draft.envelope.source, draft.envelope.id].content
            key = keys.get(draft.recognised_by) if draft.recognised_by is not None else None
            same.append(not was or key is None or key.mac(draft.content) == was)
        return same

    def _existing(self, scopes: Collection[Scope]) -> dict[Scope, Key]:
        """The live keys of scopes, without making any: a repeat never makes a key."""
        found = {
            scope: key
            for person in {scope.person for scope in scopes if scope.person}
            for scope, key in self.keys.scopes_of(person)
        }
        ids = {scope: found[scope] for scope in scopes if scope in found}
        opened = self.keys.open(set(ids.values()))
        live = {scope: opened[key_id] for scope, key_id in ids.items()}
        live |= self.keys.obtain({scope for scope in scopes if not scope.person})
        return {scope: key for scope, key in live.items() if isinstance(key, Key)}

    # --- people and drafts

    def _desk(self, organisation: str) -> SealingDesk:
        if organisation not in self._desks:
            self._desks[organisation] = SealingDesk(self.packs[organisation], self.keys)
        return self._desks[organisation]

    def _drafts(self, events: Sequence[_Event], *, create: bool) -> list[Draft]:
        """Resolve the people of a batch and split each event into what is sealed under which key."""
        named = [_identifiers(event.envelope) for event in events]
        desks = {name: self._desk(name) for name in {event.envelope.data.organisation for event in events}}
        secret = _secret(events, named, desks)
        wanted = {name for names in named for name in names} - secret
        found = self.keys.resolve(wanted, create=wanted if create else ())
        fences = {name: person for name, person in found.items() if isinstance(person, Fence)}
        back = {
            name
            for event, names in (zip(events, named, strict=True) if fences else ())
            for name in names
            if name in fences and self._returns(event.envelope, fences[name])
        }
        people: dict[Any, str | None] = {
            name: person if isinstance(person, str) else None for name, person in found.items()
        }
        fences |= self.keys.returned(wanted)
        people |= self.keys.readmit(back) if back and create else {}
        people |= {name: secrets.token_hex(16) for name in secret}
        for desk in desks.values():
            desk.ids.people = people
        return [
            desks[event.envelope.data.organisation].draft(event.envelope, event.canonical)
            if not fences or fences.keys().isdisjoint(names)
            else self._draft(event, [name for name in names if name in fences], fences)
            for event, names in zip(events, named, strict=True)
        ]

    def _draft(self, event: _Event, fenced: list[Identifier], fences: Mapping[Identifier, Fence]) -> Draft:
        """Draft one event; to an earlier fact a person behind a fence does not exist, whoever came back later."""
        desk = self._desk(event.envelope.data.organisation)
        people = desk.ids.people
        answered = self._ordered(event.envelope)
        desk.ids.people = people | {name: None for name in fenced if not self._after(event.envelope, fences[name])}
        subject = _identifiers(event.envelope)[:1]
        if answered is not None and subject and subject[0] in fences:
            desk.ids.people[subject[0]] = answered
        try:
            draft = desk.draft(event.envelope, event.canonical)
            known = not subject or desk.ids.people.get(subject[0], "") is not None
            if known or not self._late(event, subject[0], fences):
                return draft
            # Inside JSON no quote stands without a backslash, so this can only be the field itself.
            front, plains = draft.written
            front = front.replace(_FENCED, _FENCED + b',"after_erasure":true', 1)
            return msgspec.structs.replace(draft, written=(front, plains))
        finally:
            desk.ids.people = people

    def _late(self, event: _Event, subject: Identifier, fences: Mapping[Identifier, Fence]) -> bool:
        """Whether a fact that meets the fence happened after the erasure: somebody goes on with what is gone."""
        return subject in fences and self._after(event.envelope, fences[subject])

    def _ordered(self, envelope: Envelope) -> str | None:
        """Whose deletion a system answers with the id of case or task as `order`: the pseudonym outlives the way to it."""
        data = envelope.data
        if not isinstance(data, DataDeleted) or data.order is None:
            return None
        named = data.order.partition(".")[0]
        if named not in self._cases:
            self._cases = {record.stream: orjson.loads(record.state) for record in self.log.decisions(ORDERED)}
        case = self._cases.get(named, {})
        return case["person"] if case.get("organisation") == data.organisation else None

    def repeated(self, stream: str, count: int) -> Receipt:
        """Count inputs of a stream that its mark shows to be recorded already."""
        self.log.tally({(stream, "duplicate"): count}, self._clock())
        return Receipt(0, count, 0, (), {}, self.log.size())

    def quarantined_input(self, row: Quarantined) -> Input:
        """An input as it came, from the quarantine: personal, whoever asks answers for it. Raises Unreadable once it is settled."""
        if row.state != WAITING:
            raise Unreadable(
                f"number {row.number} was settled ({row.state}); what was sealed of it is gone from the quarantine."
            )
        key = self.keys.open({row.key})[row.key]
        if isinstance(key, Erased):
            raise KeyMissing(f"the key of quarantine number {row.number} was destroyed")
        try:
            message = key.aead.decrypt(row.nonce, row.sealed, quarantine_aad(row.stream, row.place))
        except InvalidTag as error:
            raise Tampered(f"quarantine number {row.number} does not open with its key; run `pdl verify`") from error
        headers, body = msgspec.msgpack.decode(message, type=tuple[list[tuple[str, bytes]], bytes])
        return Input(row.place, body, headers, row.size, row.topic)

    def retry(self, row: Quarantined, stream: str) -> Literal["recorded", "duplicate", "waiting"]:
        """Try once more to record what waits in the quarantine; what still cannot be recorded goes on waiting."""
        given = self.quarantined_input(row)
        events, refused = self._decoded([given])
        if refused or self._sifted(events, []).refused:
            return "waiting"
        receipt = self.record([given], stream, given.place, released=[row.number])
        if receipt.recorded:
            return "recorded"
        self.log.settle_quarantine(row.number, "duplicate")
        return "duplicate"

    def _after(self, envelope: Envelope, fence: Fence) -> bool:
        if fence.generation not in self._fenced_at:
            self._fenced_at[fence.generation] = self.log.generation_time(fence.generation)
        at = self._fenced_at[fence.generation]
        return at is not None and envelope.time > at

    def _returns(self, envelope: Envelope, fence: Fence) -> bool:
        """Whether an erased person came back of their own accord: gave data or consent after the erasure."""
        data = envelope.data
        own_act = isinstance(data, ConsentGiven) or (isinstance(data, DataCollected) and data.origin == "subject")
        return own_act and self._after(envelope, fence)

    # --- sealing and appending

    def _append(
        self, sifted: _Sifted, stream: str, mark: int, generation: int, *, repeatable: bool, released: Sequence[int]
    ) -> Receipt:
        recorded = self._clock()
        drafts = self._drafts(sifted.fresh, create=True)
        keys = self._keys_for(drafts, f"{recorded:%Y-%m}")
        where = place(stream, recorded, Chance(16 * len(drafts)), self._erased_at(generation))
        desks = self._desks
        rows = []
        for event, draft in zip(sifted.fresh, drafts, strict=True):
            envelope, version = draft.envelope, event.given.place + 1
            state, leaf = desks[envelope.data.organisation].seal(draft, keys, where, version)
            rows.append(
                EventRow(version, envelope.WIRE, state, leaf, envelope.source, envelope.id, _content(draft, keys))
            )
        waiting, repeated = self._quarantine(sifted.refused, stream, repeatable=repeatable)
        implausible = self._implausible(sifted.fresh, recorded)
        position = self.log.append(
            Append(
                stream=stream,
                mark=mark,
                generation=generation,
                recorded=recorded,
                events=rows,
                quarantined=[row for _, row in waiting],
                names=self._names(drafts),
                tallies=_tallies(stream, sifted, repeated, [refused for refused, _ in waiting], implausible),
                released=released,
            )
        )
        problems = tuple(
            Problem(refused.given.place, refused.why.reason, refused.why.detail, refused.why.source, refused.why.id)
            for refused, _ in waiting
        )
        return Receipt(len(rows), sifted.repeated + repeated, len(waiting), problems, dict(implausible), position)

    def _keys_for(self, drafts: Sequence[Draft], month: str) -> dict[Scope, Key | Erased]:
        """Every key of a batch. A destroyed one is made anew only by a collection or consent after that.

        New keys of one month stand together, because they will fall due together.
        """
        keys = self.keys.obtain({scope for draft in drafts for scope in draft.scopes}, month=month)
        if Erased not in set(map(type, keys.values())):
            return keys
        anew = set()
        for draft in drafts:
            for scope in draft.scopes:
                key = keys[scope]
                if isinstance(key, Erased) and isinstance(draft.envelope.data, DataCollected | ConsentGiven):
                    at = self._destroyed_at(key.case)
                    if at is not None and draft.envelope.time > at:
                        anew.add(scope)
        return keys | self.keys.obtain(anew, renew=anew, month=month) if anew else keys

    def _destroyed_at(self, case: str) -> datetime | None:
        """When the keys of a case were destroyed; None while the log does not say so yet."""
        if case not in self._case_times:
            self._case_times = {one: at for one, at, _ in self._destructions()}
        return self._case_times.get(case)

    def _erased_at(self, generation: int) -> Mapping[Scope, datetime]:
        """When each scope was last erased; read again when the generation moved."""
        if generation != self._erasures_of:
            self._scopes_erased = {scope: at for _, at, scopes in self._destructions() for scope in scopes}
            self._erasures_of = generation
        return self._scopes_erased

    def _destructions(self) -> Iterator[tuple[str, datetime, list[Scope]]]:
        """Case, time and scopes of every destruction of keys, in order."""
        for record in self.log.decisions(DESTROYED):
            said = orjson.loads(record.state)
            scopes = [
                Scope(said["organisation"], client, said["person"], dataset) for client, dataset in said["datasets"]
            ]
            yield record.stream, datetime.fromisoformat(said["at"]), scopes

    def _quarantine(
        self, refused: Iterable[_Refused], stream: str, *, repeatable: bool
    ) -> tuple[list[tuple[_Refused, QuarantineRow]], int]:
        refused = list(refused)
        if not refused:
            return [], 0
        key = self.keys.obtain({QUARANTINE_SCOPE})[QUARANTINE_SCOPE]
        if isinstance(key, Erased):
            raise TypeError("the quarantine key cannot be destroyed")
        contents = [key.mac(b"".join([*(value for _, value in one.given.headers), one.given.body])) for one in refused]
        before = self.log.quarantined_before(contents) if repeatable else frozenset()
        rows = []
        chance = Chance(12 * len(refused))
        for one, content in zip(refused, contents, strict=True):
            if content in before:
                continue
            given, why = one.given, one.why
            nonce = bytes.fromhex(chance.take(12))
            sealed = key.aead.encrypt(nonce, _packed(given), quarantine_aad(stream, given.place))
            size = given.size or len(given.body)
            rows.append(
                (
                    one,
                    QuarantineRow(
                        given.place,
                        given.topic,
                        why.reason,
                        why.detail,
                        why.source,
                        why.id,
                        size,
                        content,
                        nonce,
                        sealed,
                        key.id,
                    ),
                )
            )
        return rows, len(refused) - len(rows)

    def _names(self, drafts: Sequence[Draft]) -> list[NameRow]:
        """Seal the names of clients, recipients and systems that no pack lists, where no person is concerned.

        A statute is never about a person: who is refused an erasure must be told which one it was.
        """
        rows: dict[tuple[str, str], NameRow] = {}
        for draft in drafts:
            if draft.shape is not None:
                continue  # It concerns a person and names no statute.
            data = draft.envelope.data
            of_person = getattr(data, "subject", None) is not None
            for token, text in _unlisted(draft.envelope, self._desk(data.organisation), statutes_only=of_person):
                if (data.organisation, token) not in rows:
                    rows[data.organisation, token] = self._name(data.organisation, token, text)
        return list(rows.values())

    def _name(self, organisation: str, token: str, text: str) -> NameRow:
        scope = Scope(organisation, "", "", ORGANISATION)
        key = self.keys.obtain({scope})[scope]
        if isinstance(key, Erased):
            raise TypeError("an organisation's own key cannot be destroyed")
        nonce = bytes.fromhex(Chance(12).take(12))
        return NameRow(
            organisation, token, key.id, nonce, key.aead.encrypt(nonce, text.encode(), name_aad(organisation, token))
        )

    def names(self) -> dict[tuple[str, str], str]:
        """The text behind (organisation, token), of ids that no pack lists and that concern no person."""
        rows = self.log.names()
        keys = self.keys.open({row.key for row in rows})
        found = {}
        for row in rows:
            key = keys[row.key]
            if isinstance(key, Key):
                found[row.organisation, row.token] = key.aead.decrypt(
                    row.nonce, row.sealed, name_aad(row.organisation, row.token)
                ).decode()
        return found

    @staticmethod
    def _implausible(fresh: Sequence[_Event], recorded: datetime) -> Counter[str]:
        """Events per source whose time lies in the future or long ago: recorded, and said."""
        times = [event.envelope.time for event in fresh]
        tomorrow = recorded + _FUTURE
        if not times or (max(times) <= tomorrow and min(times).year >= _LONG_AGO):
            return Counter()
        return Counter(
            event.envelope.source
            for event in fresh
            if event.envelope.time > tomorrow or event.envelope.time.year < _LONG_AGO
        )


def _packed(given: Input) -> bytes:
    """An input as it is sealed in the quarantine: its headers and its bytes, as MessagePack."""
    return msgspec.msgpack.encode((list(given.headers), given.body))


def quarantine_aad(stream: str, place: int) -> bytes:
    """The associated data under which a quarantined input is sealed."""
    return f"quarantine {stream} {place}".encode()


def name_aad(organisation: str, token: str) -> bytes:
    """The associated data under which the name behind a token is sealed."""
    return f"name {organisation} {token}".encode()


def _too_large(given: Input) -> Unrecordable | None:
    if given.size is None or given.size == len(given.body):
        return None
    detail = (
        f"{given.size} bytes; only the first {len(given.body)} were kept. Publish a reference instead of the document."
    )
    return Unrecordable(reason="too-large", detail=detail)


def _why(reason: Reason, detail: str, envelope: Envelope) -> Unrecordable:
    return Unrecordable(reason=reason, detail=detail, source=envelope.source, id=envelope.id)


def _unheard(speakers: Speakers, envelope: Envelope) -> str | None:
    """Why a source may not say this; what it names is an id of its own making and may stand in the message."""
    data = envelope.data
    return speakers.objection(envelope.source, data.organisation, getattr(data, "activity", None), envelope.WIRE)


def _conflict(event: _Event) -> _Refused:
    detail = "this source used this event id before for another content; give each event an id of its own."
    return _Refused(event.given, _why("conflicting-duplicate", detail, event.envelope))


def _secret(
    events: Sequence[_Event], named: Sequence[list[Identifier]], desks: Mapping[str, SealingDesk]
) -> set[Identifier]:
    """The identifiers of subjects that the statement says are not kept at all."""
    if not any(desk.prohibits for desk in desks.values()):
        return set()
    return {
        names[0]
        for event, names in zip(events, named, strict=True)
        if names and desks[event.envelope.data.organisation].may_not_keep(event.envelope)
    }


_identifier: Final = partial(tuple.__new__, Identifier)  # As Identifier(...), in half the time; made for every event.


def _identifiers(envelope: Envelope) -> list[Identifier]:
    """Every identifier of a person in an event, that of its subject first."""
    data: Any = envelope.data
    subject = getattr(data, "subject", None)
    if subject is None:
        return []
    found: list[Identifier] = [_identifier((data.organisation, subject.scheme, subject.value))]
    if subject.also:
        found += [Identifier(data.organisation, other.scheme, other.value) for other in subject.also]
    other = getattr(data, "other", None)
    if other is not None:
        found.append(Identifier(data.organisation, other.scheme, other.value))
    return found


def _content(draft: Draft, keys: Mapping[Scope, Key | Erased]) -> bytes:
    key = keys.get(draft.recognised_by) if draft.recognised_by is not None else None
    return key.mac(draft.content) if isinstance(key, Key) else b""


def _unlisted(envelope: Envelope, desk: SealingDesk, *, statutes_only: bool) -> Iterable[tuple[str, str]]:
    for step in shown(type(envelope.data)):
        if step.how != "space" or (statutes_only and step.space != "statute"):
            continue
        value = getattr(envelope.data, step.field)
        if not value:
            continue
        for text in value if isinstance(value, tuple) else (value,):
            token = desk.ids.space(step.space)[text]
            if token.startswith(TOKEN_MARK):
                yield token, text


def _tallies(
    stream: str, sifted: _Sifted, repeated: int, waiting: Sequence[_Refused], implausible: Mapping[str, int]
) -> Mapping[tuple[str, str], int]:
    """What became of the inputs, by stream and by source."""
    tallies: Counter[tuple[str, str]] = Counter()
    tallies[stream, "recorded"] = len(sifted.fresh)
    tallies[stream, "duplicate"] = sifted.repeated + repeated
    for one in waiting:
        tallies[stream, f"quarantined:{one.why.reason}"] += 1
        if one.why.source:
            tallies[one.why.source, f"quarantined:{one.why.reason}"] += 1
    for source, count in Counter([event.envelope.source for event in sifted.fresh]).items():
        tallies[source, "recorded"] += count
    for source, count in implausible.items():
        tallies[source, "implausible-time"] = count
    for event in sifted.fresh:
        for name in event.envelope.unknown_fields:
            tallies[event.envelope.source, f"unknown-field:{name}"] += 1
    return {name: count for name, count in tallies.items() if count}
