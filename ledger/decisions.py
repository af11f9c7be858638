"""What the ledger itself decides, as small eventsourcing aggregates in the same log as the facts.

Wire names are fixed here and never follow a rename; ids are texts; states are JSON without personal values.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

from eventsourcing.application import AggregateNotFoundError, Repository
from eventsourcing.domain import BaseAggregate, CanInitAggregate, CanMutateAggregate, MetaDomainEvent
from eventsourcing.persistence import (
    DatetimeAsISO,
    EventStore,
    IntegrityError,
    JSONTranscoder,
    Mapper,
    PersistenceError,
    ProcessRecorder,
)

from ledger.domain.errors import Busy, StoreUnavailable, Unreadable

if TYPE_CHECKING:
    from ledger.store import EventLog

_log: Final = logging.getLogger("pdl.decision")
"""One line a decision, for whoever wants a log: what and where, never why or about whom."""
ORDERED: Final = "ledger.erasure.ordered.v1"
APPROVED: Final = "ledger.erasure.approved.v1"
OBJECTED: Final = "ledger.erasure.objected.v1"
PREPARED: Final = "ledger.erasure.prepared.v1"
SENT: Final = "ledger.tasks.sent.v1"
ESCALATED: Final = "ledger.tasks.escalated.v1"
FORGOTTEN: Final = "ledger.case-key.destroyed.v1"
REMOVED: Final = "ledger.ciphertexts.removed.v1"
CERTIFIED: Final = "ledger.certificate.issued.v1"
DESTROYED: Final = "ledger.keys.destroyed.v1"
REFUSED: Final = "ledger.erasure.refused.v1"
CLOSED: Final = "ledger.erasure.closed.v1"
SWEPT: Final = "ledger.sweep.executed.v1"
HALTED: Final = "ledger.sweep.halted.v1"
SWEEP_APPROVED: Final = "ledger.sweep.approved.v1"
SWEEP_OBJECTED: Final = "ledger.sweep.objected.v1"
COUNTED: Final = "ledger.aggregate.counted.v1"
APPROVER_ADDED: Final = "ledger.approver.added.v1"
APPROVER_REMOVED: Final = "ledger.approver.removed.v1"
REVEALED: Final = "ledger.values.revealed.v1"
INGEST_KEY_MADE: Final = "ledger.ingest-key.made.v1"
INGEST_KEY_DESTROYED: Final = "ledger.ingest-key.destroyed.v1"
DISCARDED: Final = "ledger.quarantine.discarded.v1"
SOURCE_ADDED: Final = "ledger.source.added.v1"
SOURCE_REMOVED: Final = "ledger.source.removed.v1"


@dataclass(frozen=True)
class Decision(CanMutateAggregate[str], metaclass=MetaDomainEvent):
    """What every decision carries: the stream it belongs to, its number there, and when it was taken."""

    originator_id: str
    originator_version: int
    timestamp: datetime

    @staticmethod
    def create_timestamp() -> datetime:
        """The moment of writing, where the decision does not say its own (`at` does)."""
        return datetime.fromtimestamp(0, UTC)


class ErasureCase(BaseAggregate[str]):
    """One erasure: ordered, approved or halted, prepared, keys destroyed, followed up, certified; or refused."""

    TOPIC = "ledger.erasure"

    class Event(Decision):
        """Base of a case's decisions."""

        TOPIC = "ledger.erasure.event"

    class Ordered(Event, CanInitAggregate[str]):
        """The intent, before anything is destroyed: which keys, of whom (a pseudonym), on which ground.

        `scopes` are [client, dataset, key id] of the person's live keys that go; `kept` are [client, dataset,
        outcome, statute] of datasets that stay; `approval` says who has to agree: none, two-people, cooling-off, or
        automatic (a sweep under its brake). `not_before` is the end of a cooling-off. The hash that approvals sign
        is that of this decision's evidence leaf.
        """

        TOPIC = ORDERED
        originator_topic: str
        organisation: str
        person: str
        scopes: list[list[str]]
        kept: list[list[str]]
        reason: str
        approval: str
        alone: bool
        at: str
        not_before: str = ""

    class Approved(Event):
        """Somebody with the right to do so signed this order; `note` is the signed text itself."""

        TOPIC = APPROVED
        approver: str
        role: str
        expires: str
        note: str
        at: str

        def apply(self, aggregate: Any) -> None:
            """The case knows who signed."""
            aggregate.approvals.append((self.approver, self.role, self.expires, self.note, self.at))

    class Objected(Event):
        """Somebody objected, with their signature: the case is halted and never goes on."""

        TOPIC = OBJECTED
        approver: str
        role: str
        note: str
        at: str

        def apply(self, aggregate: Any) -> None:
            """The case is at its end."""
            aggregate.objection = (self.approver, self.role, self.note, self.at)

    class Prepared(Event):
        """What the guard let through at the last moment, and everything that must be done afterwards.

        `tasks` are [id, kind, target, activity, client, due, dataset ...]: delete orders to systems, Art. 19 messages
        to recipients, the confirmation to the person. What they say stands in `sealed` under the case's own `key`.
        `schemes` are the identifier schemes covered, `unlinked` how many people share a weak identifier with this one,
        `others` pseudonyms of the same person without any key, which go too.
        """

        TOPIC = PREPARED
        scopes: list[list[str]]
        kept: list[list[str]]
        tasks: list[list[str]]
        schemes: list[str]
        unlinked: int
        others: list[str]
        key: str
        sealed: str
        at: str

        def apply(self, aggregate: Any) -> None:
            """From here on the case has these scopes and these tasks."""
            aggregate.prepared = self.at
            aggregate.scopes = [tuple(scope) for scope in self.scopes]
            aggregate.kept = [tuple(row) for row in self.kept]
            aggregate.tasks = [tuple(task) for task in self.tasks]
            aggregate.schemes, aggregate.unlinked = list(self.schemes), self.unlinked
            aggregate.others = list(self.others)
            aggregate.key, aggregate.sealed = self.key, self.sealed

    class KeysDestroyed(Event):
        """The keys are gone from the key database; the generation moves with this decision."""

        TOPIC = DESTROYED
        organisation: str
        person: str
        case: str
        datasets: list[list[str]]
        key_ids: list[str]
        at: str

        def apply(self, aggregate: Any) -> None:
            """The case knows that its keys are gone."""
            aggregate.destroyed = True
            aggregate.key_ids, aggregate.use_stopped = list(self.key_ids), self.at

    class Closed(Event):
        """Everything that this ledger does itself is done; answers of systems and recipients come as facts."""

        TOPIC = CLOSED
        at: str

        def apply(self, aggregate: Any) -> None:
            """The case is done."""
            aggregate.closed = True

    class Sent(Event):
        """These tasks were handed over: to the topic, or (the confirmation) to the person."""

        TOPIC = SENT
        tasks: list[str]
        at: str

        def apply(self, aggregate: Any) -> None:
            """The case knows what is out."""
            aggregate.sent.update(dict.fromkeys(self.tasks, self.at))

    class Escalated(Event):
        """Nobody answered these tasks within their term."""

        TOPIC = ESCALATED
        tasks: list[str]
        at: str

        def apply(self, aggregate: Any) -> None:
            """The case knows who is silent."""
            aggregate.escalated.update(dict.fromkeys(self.tasks, self.at))

    class KeyForgotten(Event):
        """The case's own key is going: every task was answered, or the term for answers is over."""

        TOPIC = FORGOTTEN
        why: str
        at: str

        def apply(self, aggregate: Any) -> None:
            """Nothing opens the tasks any more."""
            aggregate.forgotten = self.at

    class CiphertextsRemoved(Event):
        """What was sealed under the destroyed keys was taken out of the log, in so many records."""

        TOPIC = REMOVED
        records: int
        at: str

        def apply(self, aggregate: Any) -> None:
            """The case knows that nothing is left to remove."""
            aggregate.removed = self.at

    class Certified(Event):
        """A certificate (number 1) or a supplement to it, as it was signed."""

        TOPIC = CERTIFIED
        number: int
        text: str
        at: str

        def apply(self, aggregate: Any) -> None:
            """The case keeps every certificate that it gave."""
            aggregate.certificates.append(self.text)

    class Refused(Event, CanInitAggregate[str]):
        """Nothing was destroyed: every dataset asked for is held, or none is known."""

        TOPIC = REFUSED
        originator_topic: str
        organisation: str
        person: str
        kept: list[list[str]]
        reason: str
        at: str

        def apply(self, aggregate: Any) -> None:
            """A refusal is the end of a case."""
            aggregate.refused = True

    def __init__(
        self,
        organisation: str,
        person: str,
        reason: str,
        at: str,
        scopes: Sequence[Sequence[str]] = (),
        kept: Sequence[Sequence[str]] = (),
        approval: str = "none",
        not_before: str = "",
        *,
        alone: bool = True,
    ) -> None:
        self.organisation = organisation
        self.person = person
        self.reason = reason
        self.ordered = at
        self.scopes = [tuple(scope) for scope in scopes]
        self.kept = [tuple(row) for row in kept]
        self.approval, self.not_before, self.alone = approval, not_before, alone
        self.approvals: list[tuple[str, str, str, str, str]] = []
        self.objection: tuple[str, str, str, str] | None = None
        self.prepared = ""
        self.tasks: list[tuple[str, ...]] = []
        self.schemes: list[str] = []
        self.others: list[str] = []
        self.unlinked = 0
        self.key = self.sealed = self.use_stopped = self.forgotten = self.removed = ""
        self.key_ids: list[str] = []
        self.sent: dict[str, str] = {}
        self.escalated: dict[str, str] = {}
        self.certificates: list[str] = []
        self.destroyed = self.closed = self.refused = False

    @classmethod
    def order(cls, case: str, **order: Any) -> ErasureCase:
        """Begin a case; `order` are the fields of Ordered."""
        return cls._create(cls.Ordered, id=case, timestamp=_moment(order["at"]), **order)

    @classmethod
    def refuse(cls, case: str, **refusal: Any) -> ErasureCase:
        """Record that an erasure was asked for and refused."""
        return cls._create(cls.Refused, id=case, timestamp=_moment(refusal["at"]), **refusal)

    @property
    def over(self) -> bool:
        """Whether nothing more will be destroyed in this case."""
        return self.closed or self.refused or self.objection is not None

    def approve(self, **approval: Any) -> None:
        """Note a signature that was found good; `approval` are the fields of Approved."""
        self._say(self.Approved, **approval)

    def object(self, **objection: Any) -> None:
        """Halt the case; `objection` are the fields of Objected."""
        self._say(self.Objected, **objection)

    def prepare(self, **prepared: Any) -> None:
        """Say what goes and what must be done afterwards; `prepared` are the fields of Prepared."""
        self._say(self.Prepared, **prepared)

    def keys_destroyed(self, key_ids: Sequence[str], at: str) -> None:
        """Say that the keys are gone; once."""
        if not self.destroyed:
            self._say(
                self.KeysDestroyed,
                organisation=self.organisation,
                person=self.person,
                case=self.id,
                datasets=[[scope[0], scope[1]] for scope in self.scopes],
                key_ids=list(key_ids),
                at=at,
            )

    def close(self, at: str) -> None:
        """Say that the case is done; once."""
        if not self.closed:
            self._say(self.Closed, at=at)

    def hand_over(self, tasks: Sequence[str], at: str) -> None:
        """Say that tasks are out; those that were out before are left as they are."""
        new = [task for task in tasks if task not in self.sent]
        if new:
            self._say(self.Sent, tasks=new, at=at)

    def escalate(self, tasks: Sequence[str], at: str) -> None:
        """Say that nobody answered tasks in time; once for each."""
        new = [task for task in tasks if task not in self.escalated]
        if new:
            self._say(self.Escalated, tasks=new, at=at)

    def forget_key(self, why: str, at: str) -> None:
        """Say that the case's own key goes; once."""
        if not self.forgotten:
            self._say(self.KeyForgotten, why=why, at=at)

    def ciphertexts_removed(self, records: int, at: str) -> None:
        """Say that what the destroyed keys sealed is out of the log; once."""
        if not self.removed:
            self._say(self.CiphertextsRemoved, records=records, at=at)

    def certify(self, text: str, at: str) -> None:
        """Keep a certificate, or a supplement."""
        self._say(self.Certified, number=len(self.certificates) + 1, text=text, at=at)

    def _say(self, event: type[Event], *, at: str, **fields: Any) -> None:
        self.trigger_event(event, timestamp=_moment(at), at=at, **fields)


class Approver(BaseAggregate[str]):
    """Somebody whose signature counts under an order, known by an account id and a public key."""

    TOPIC = "ledger.approver"

    class Event(Decision):
        """Base of an approver's decisions."""

        TOPIC = "ledger.approver.event"

    class Added(Event, CanInitAggregate[str]):
        """From now on this key (Ed25519, hex) signs for this name in this role."""

        TOPIC = APPROVER_ADDED
        originator_topic: str
        name: str
        role: str
        public: str
        at: str

    class Left(Event):
        """Signatures of this key count no longer."""

        TOPIC = APPROVER_REMOVED
        at: str

        def apply(self, aggregate: Any) -> None:
            """The key counts no longer."""
            aggregate.left = True

    def __init__(self, name: str, role: str, public: str) -> None:
        self.name, self.role, self.public = name, role, public
        self.left = False

    @classmethod
    def add(cls, approver: str, **added: Any) -> Approver:
        """Make a key known; `added` are the fields of Added."""
        return cls._create(cls.Added, id=approver, timestamp=_moment(added["at"]), **added)

    def leave(self, at: str) -> None:
        """Let a key count no longer; once."""
        if not self.left:
            self.trigger_event(self.Left, at=at, timestamp=_moment(at))


class Sweep(BaseAggregate[str]):
    """One run of the retention periods: the control that shows that they are kept; or one that its brake stopped."""

    TOPIC = "ledger.sweep"

    class Event(Decision):
        """Base of a sweep's decisions."""

        TOPIC = "ledger.sweep.event"

    class Executed(Event, CanInitAggregate[str]):
        """What a run found past its term and what it did about it, per organisation.

        `expired` counts what was past its term, `overdue` what had been so beyond the promised check; `waiting` what
        waits for a source that was not heard; `before_term` what only a later clock than the present one found.
        """

        TOPIC = SWEPT
        originator_topic: str
        organisation: str
        found: int
        erased: int
        held: int
        left: int
        at: str
        anonymised: int = 0
        waiting: int = 0
        expired: int = 0
        overdue: int = 0
        before_term: int = 0
        confirmed_by: list[str] | None = None

    class Halted(Event, CanInitAggregate[str]):
        """The brake: a run would have reached so many people of an organisation that two people must agree."""

        TOPIC = HALTED
        originator_topic: str
        organisation: str
        people: int
        everyone: int
        at: str

    class Approved(Event):
        """Somebody signed that a run may reach that many people; `note` is the signed text itself."""

        TOPIC = SWEEP_APPROVED
        approver: str
        role: str
        expires: str
        note: str
        at: str

        def apply(self, aggregate: Any) -> None:
            """The run knows who signed."""
            aggregate.approvals.append((self.approver, self.role, self.expires, self.note, self.at))

    class Objected(Event):
        """Somebody objected: this run never goes on."""

        TOPIC = SWEEP_OBJECTED
        approver: str
        role: str
        note: str
        at: str

        def apply(self, aggregate: Any) -> None:
            """The run is at its end."""
            aggregate.objected = True

    def __init__(self, organisation: str, at: str, found: int = 0, erased: int = 0, people: int = 0) -> None:
        self.organisation = organisation
        self.at = at
        self.found = found
        self.erased = erased
        self.people = people
        self.approvals: list[tuple[str, str, str, str, str]] = []
        self.objected = False

    @classmethod
    def execute(cls, sweep: str, **outcome: Any) -> Sweep:
        """Record one run; `outcome` are the fields of Executed."""
        return cls._create(cls.Executed, id=sweep, timestamp=_moment(outcome["at"]), **outcome)

    @classmethod
    def halt(cls, sweep: str, **reached: Any) -> Sweep:
        """Record that the brake stopped a run; `reached` are the fields of Halted."""
        return cls._create(cls.Halted, id=sweep, timestamp=_moment(reached["at"]), **reached)

    def approve(self, **approval: Any) -> None:
        """Note a signature that was found good; `approval` are the fields of Approved."""
        self.trigger_event(self.Approved, timestamp=_moment(approval["at"]), **approval)

    def object(self, **objection: Any) -> None:
        """Halt the run for good; `objection` are the fields of Objected."""
        self.trigger_event(self.Objected, timestamp=_moment(objection["at"]), **objection)


class Aggregate(BaseAggregate[str]):
    """Counts that stay when the data of people go: of no fewer than ten people each."""

    TOPIC = "ledger.aggregate"

    class Event(Decision):
        """Base of an aggregate's decisions."""

        TOPIC = "ledger.aggregate.event"

    class Counted(Event, CanInitAggregate[str]):
        """`cells` are [class, month of collection, category, people]; cells of fewer people are left out and counted."""

        TOPIC = COUNTED
        originator_topic: str
        organisation: str
        client: str
        dataset: str
        cells: list[list[Any]]
        left_out: int
        at: str

    def __init__(self, organisation: str) -> None:
        self.organisation = organisation

    @classmethod
    def count(cls, aggregate: str, **counted: Any) -> Aggregate:
        """Keep counts; `counted` are the fields of Counted."""
        return cls._create(cls.Counted, id=aggregate, timestamp=_moment(counted["at"]), **counted)


class Access(BaseAggregate[str]):
    """One time that sealed values were opened for somebody to see."""

    TOPIC = "ledger.access"

    class Event(Decision):
        """Base of an access's decisions."""

        TOPIC = "ledger.access.event"

    class Revealed(Event, CanInitAggregate[str]):
        """Whose values (pseudonyms) were opened, and why; recorded before they are shown."""

        TOPIC = REVEALED
        originator_topic: str
        organisation: str
        people: list[str]
        reason: str
        at: str

    def __init__(self, organisation: str, people: Sequence[str], reason: str) -> None:
        self.organisation = organisation
        self.people = list(people)
        self.reason = reason

    @classmethod
    def reveal(cls, access: str, **seen: Any) -> Access:
        """Record an access; `seen` are the fields of Revealed."""
        return cls._create(cls.Revealed, id=access, timestamp=_moment(seen["at"]), **seen)


class Discard(BaseAggregate[str]):
    """An input that waited in quarantine and will never be recorded, because somebody said so."""

    TOPIC = "ledger.quarantine"

    class Event(Decision):
        """Base of a discard's decisions."""

        TOPIC = "ledger.quarantine.event"

    class Discarded(Event, CanInitAggregate[str]):
        """Which input (its number, stream and place), why it waited, and why it was given up (sealed)."""

        TOPIC = DISCARDED
        originator_topic: str
        number: int
        stream: str
        place: int
        waited_for: str
        reason: str
        at: str

    def __init__(self, number: int, stream: str, place: int, waited_for: str, reason: str) -> None:
        self.number = number
        self.stream, self.place = stream, place
        self.waited_for = waited_for
        self.reason = reason

    @classmethod
    def discard(cls, discard: str, **said: Any) -> Discard:
        """Give an input up; `said` are the fields of Discarded."""
        return cls._create(cls.Discarded, id=discard, timestamp=_moment(said["at"]), **said)


class IngestKey(BaseAggregate[str]):
    """A key that producers seal to, from the moment it is made until it is destroyed."""

    TOPIC = "ledger.ingest-key"

    class Event(Decision):
        """Base of an ingest key's decisions."""

        TOPIC = "ledger.ingest-key.event"

    class Made(Event, CanInitAggregate[str]):
        """Its public half; the private one is wrapped in the key database."""

        TOPIC = INGEST_KEY_MADE
        originator_topic: str
        key: str
        public: str
        at: str

    class Destroyed(Event):
        """Its private half is gone: what was sealed to it and not recorded can never be read again."""

        TOPIC = INGEST_KEY_DESTROYED
        key: str
        at: str

        def apply(self, aggregate: Any) -> None:
            """The key is gone."""
            aggregate.destroyed = True

    def __init__(self, key: str, public: str) -> None:
        self.key = key
        self.public = public
        self.destroyed = False

    @classmethod
    def make(cls, stream: str, **said: Any) -> IngestKey:
        """Record a new key; `said` are the fields of Made."""
        return cls._create(cls.Made, id=stream, timestamp=_moment(said["at"]), **said)

    def destroy(self, at: str) -> None:
        """Say that the key is gone; once."""
        if not self.destroyed:
            self.trigger_event(self.Destroyed, key=self.key, at=at, timestamp=_moment(at))


class SpeakingSource(BaseAggregate[str]):
    """One source of events that may speak: for which organisations, activities and types."""

    TOPIC = "ledger.source"

    class Event(Decision):
        """Base of a source's decisions."""

        TOPIC = "ledger.source.event"

    class Registered(Event, CanInitAggregate[str]):
        """A source is known by its name; what it may say follows."""

        TOPIC = "ledger.source.registered.v1"
        originator_topic: str
        source: str
        at: str

    class Added(Event):
        """From now on it may say this about that organisation ("*": any), instead of what it might before.

        No activities or types: all of them. `every` is how often it is heard at least (ISO 8601; None: not said).
        """

        TOPIC = SOURCE_ADDED
        source: str
        organisation: str
        activities: list[str]
        types: list[str]
        every: str | None
        at: str

        def apply(self, aggregate: Any) -> None:
            """The source may say this now."""
            aggregate.grants[self.organisation] = (tuple(self.activities), tuple(self.types))
            aggregate.every = self.every

    class Removed(Event):
        """From now on it may say nothing about that organisation ("*": about any)."""

        TOPIC = SOURCE_REMOVED
        source: str
        organisation: str
        at: str

        def apply(self, aggregate: Any) -> None:
            """The source may no longer say it."""
            if self.organisation == "*":
                aggregate.grants.clear()
            aggregate.grants.pop(self.organisation, None)

    def __init__(self, source: str) -> None:
        self.source = source
        self.grants: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self.every: str | None = None

    @classmethod
    def register(cls, stream: str, source: str, at: str) -> SpeakingSource:
        """Begin with a source that may say nothing yet."""
        return cls._create(cls.Registered, id=stream, source=source, at=at, timestamp=_moment(at))

    def add(
        self, organisation: str, activities: Sequence[str], types: Sequence[str], every: str | None, at: str
    ) -> None:
        """Let it speak for an organisation; saying the same twice is one decision."""
        if self.grants.get(organisation) != (tuple(activities), tuple(types)) or self.every != every:
            self.trigger_event(
                self.Added,
                source=self.source,
                organisation=organisation,
                activities=list(activities),
                types=list(types),
                every=every,
                at=at,
                timestamp=_moment(at),
            )

    def remove(self, organisation: str, at: str) -> bool:
        """Let it no longer speak for an organisation; False where it did not."""
        if not (self.grants if organisation == "*" else organisation in self.grants):
            return False
        self.trigger_event(self.Removed, source=self.source, organisation=organisation, at=at, timestamp=_moment(at))
        return True


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at)


@contextmanager
def _explained() -> Iterator[None]:
    """Errors of the library stop here, whichever database is below; they may quote what is stored, so only their name is repeated."""
    try:
        yield
    except IntegrityError as error:
        raise Busy("another process decided about the same meanwhile; look how it stands, then run it again") from error
    except PersistenceError as error:
        raise StoreUnavailable(
            f"the log does not take or give decisions ({type(error).__name__}). Nothing was half done; check disk or "
            "server, then run the same command again"
        ) from error


class Decisions:
    """Where decisions are saved and found again: the library's event store over our recorder."""

    def __init__(self, recorder: ProcessRecorder) -> None:
        transcoder = JSONTranscoder()
        transcoder.register(DatetimeAsISO())
        self._store: EventStore[str] = EventStore(Mapper(transcoder), recorder)
        self._repository: Repository[str] = Repository(self._store)

    def save(self, aggregate: BaseAggregate[str]) -> None:
        """Append an aggregate's new decisions in one transaction.

        Raises Busy where a rival's version is there already, StoreUnavailable where the log takes nothing.
        """
        self._append(aggregate.collect_events())

    def save_all(self, aggregates: Sequence[BaseAggregate[str]]) -> None:
        """As `save`, the new decisions of many aggregates in one transaction."""
        self._append([event for aggregate in aggregates for event in aggregate.collect_events()])

    def _append(self, events: Sequence[Any]) -> None:
        if not events:
            return
        with _explained():
            self._store.put(events)
        for event in events if _log.isEnabledFor(logging.INFO) else ():
            _log.info(
                "decision",
                extra={
                    "stream": event.originator_id,
                    "number": event.originator_version,
                    "decision": getattr(event, "TOPIC", ""),
                },
            )

    def case(self, case: str) -> ErasureCase:
        """An erasure case by its id; raises Unreadable where there is none."""
        found = self.find(case)
        if not isinstance(found, ErasureCase):
            raise Unreadable("there is no erasure with that id; `pdl case list` has them all.")
        return found

    def source(self, stream: str) -> SpeakingSource | None:
        """A registered source by its stream; None where there is none."""
        try:
            with _explained():
                found: SpeakingSource = self._repository.get(stream)
        except AggregateNotFoundError:
            return None
        return found

    def ingest_key(self, stream: str) -> IngestKey:
        """An ingest key by its stream."""
        with _explained():
            found: IngestKey = self._repository.get(stream)
        return found

    def approvers(self, log: EventLog) -> list[Approver]:
        """Everybody whose signature counts or counted, in the order in which they were added."""
        with _explained():
            return [cast("Approver", self._repository.get(record.stream)) for record in log.decisions(APPROVER_ADDED)]

    def find(self, stream: str) -> BaseAggregate[str]:
        """Any decision's aggregate by its id; raises Unreadable where there is none."""
        try:
            with _explained():
                return cast("BaseAggregate[str]", self._repository.get(stream))
        except AggregateNotFoundError as error:
            raise Unreadable("there is no case with that id; `pdl case list` has them all.") from error
