"""Every event type of the contract as a typed struct. Generated from the contract (`make golden`): do not edit.

Field names that Python reserves end in an underscore here and not on the wire (`class_`, `from_`). What carries
personal values shows none of them in its repr, which is what logs and tracebacks print.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta, Struct

Id = Annotated[str, Meta(min_length=1, max_length=200)]

Text = Annotated[str, Meta(min_length=1, max_length=4000)]

Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]

Language = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z]{2})?$")]

Date = Annotated[
    str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2}))?$")
]

Moment = Annotated[datetime, Meta(tz=True)]

Count = Annotated[int, Meta(ge=0, le=9007199254740992)]

Basis = Literal["consent", "contract", "legal-obligation", "vital-interest", "public-task", "legitimate-interest"]

Operation = Literal[
    "store", "consult", "select", "contact", "report", "profile", "analyse", "enrich", "decide", "export"
]

Origin = Literal["subject", "service", "third-party", "public", "device"]

Transformation = Literal["keyed-hash", "truncated", "generalised"]

Age = Literal["under-16", "under-18", "adult"]

Right = Literal["access", "rectification", "erasure", "restriction", "portability", "objection", "complaint"]

TransferTool = Literal["adequacy", "scc", "bcr", "derogation"]


class Identifier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One identifier of a person: a scheme of the pack (customer-number, email, phone ...) and its value."""

    scheme: Id
    value: Annotated[str, Meta(min_length=1, max_length=500)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Subject(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The person concerned, with what the pack needs to know of them."""

    scheme: Id
    value: Annotated[str, Meta(min_length=1, max_length=500)]
    class_: Id | None = msgspec.field(default=None, name="class")
    age: Age | None = None
    also: Annotated[tuple[Identifier, ...], Meta(max_length=20)] = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Actor(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who acted: a role of the pack, and an opaque account id that is sealed."""

    role: Id
    id: Id | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which information the person was shown (GDPR Art. 13, 14)."""

    id: Id
    version: Id | None = None
    at: Date | None = None
    language: Language | None = None


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every type carries: whose statement applies, and the circumstances."""

    TYPE: ClassVar[str] = ""

    organisation: Id
    activity: Id | None = None
    client: Id | None = None
    actor: Actor | None = None
    system: Id | None = None
    location: Country | None = None
    reference: Text | None = None
    channel: Id | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class DataCollected(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Personal data were obtained: with `values`, or `categories` alone where the value is not passed on (Art. 13, 14)."""

    TYPE: ClassVar[str] = "pdl.data.collected.v1"

    activity: Id
    subject: Subject
    values: dict[Id, Any] | None = None
    categories: tuple[Id, ...] | None = None
    origin: Origin
    basis: Basis | None = None
    purposes: tuple[Id, ...] = ()
    notice: Notice | None = None
    transformed: dict[Id, Transformation] | None = None
    attempts: Count | None = None
    condition: Id | None = None


class DataUsed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Personal data were used for a purpose (Art. 5(1)(b))."""

    TYPE: ClassVar[str] = "pdl.data.used.v1"

    activity: Id
    subject: Subject
    purpose: Id
    operation: Operation
    categories: tuple[Id, ...]
    basis: Basis | None = None


class DataShared(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Personal data went to a recipient (Art. 28, 44)."""

    TYPE: ClassVar[str] = "pdl.data.shared.v1"

    activity: Id
    subject: Subject
    recipient: Id
    service: Id | None = None
    purpose: Id
    categories: tuple[Id, ...]
    basis: Basis
    country: Country | None = None
    contract: Text | None = None
    transfer_tool: TransferTool | None = None
    informing_waived: Text | None = None


class DataRectified(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Values were corrected (Art. 16): earlier values are superseded, not changed."""

    TYPE: ClassVar[str] = "pdl.data.rectified.v1"

    activity: Id
    subject: Subject
    values: dict[Id, Any]
    reason: Text | None = None


class DataDeleted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A system removed its copy; without `system` it speaks for every system of the activity (Art. 17)."""

    TYPE: ClassVar[str] = "pdl.data.deleted.v1"

    activity: Id
    subject: Subject
    categories: tuple[Id, ...]
    how: Literal["deleted", "anonymised"] | None = None
    reason: Literal["retention", "request", "withdrawal", "instruction", "unsolicited"] | None = None
    order: Id | None = None


class ConsentGiven(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The person agreed to a purpose (Art. 7)."""

    TYPE: ClassVar[str] = "pdl.consent.given.v1"

    subject: Subject
    purpose: Id
    recipient: Id | None = None
    notice: Notice | None = None
    method: Text
    evidence: Text | None = None
    until: Date | None = None


class ConsentRefused(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The person did not agree to a purpose."""

    TYPE: ClassVar[str] = "pdl.consent.refused.v1"

    subject: Subject
    purpose: Id
    recipient: Id | None = None


class ConsentWithdrawn(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The person took consent back (Art. 7(3))."""

    TYPE: ClassVar[str] = "pdl.consent.withdrawn.v1"

    subject: Subject
    purpose: Id
    recipient: Id | None = None


class ObjectionRaised(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The person objects to a purpose (Art. 21)."""

    TYPE: ClassVar[str] = "pdl.objection.raised.v1"

    subject: Subject
    purpose: Id


class ObjectionAnswered(Event, frozen=True, kw_only=True, omit_defaults=True):
    """An objection was upheld, or overridden on compelling grounds (Art. 21(1))."""

    TYPE: ClassVar[str] = "pdl.objection.answered.v1"

    subject: Subject
    purpose: Id
    outcome: Literal["upheld", "overridden"]
    grounds: Text | None = None


class RestrictionPlaced(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Processing is restricted to storage (Art. 18(1))."""

    TYPE: ClassVar[str] = "pdl.restriction.placed.v1"

    subject: Subject
    ground: Literal["accuracy", "unlawful", "claims", "objection"] | None = None


class RestrictionLifted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A restriction ended; the person is told before (Art. 18(3))."""

    TYPE: ClassVar[str] = "pdl.restriction.lifted.v1"

    subject: Subject
    ground: Literal["accuracy", "unlawful", "claims", "objection"] | None = None


class RequestReceived(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The person exercises a right (Art. 12, 15-22): the clock starts."""

    TYPE: ClassVar[str] = "pdl.request.received.v1"

    reference: Text
    subject: Subject
    right: Right


class RequestExtended(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Two further months were taken, with reasons (Art. 12(3))."""

    TYPE: ClassVar[str] = "pdl.request.extended.v1"

    reference: Text
    subject: Subject
    reason: Text
    informed_at: Date | None = None


class RequestAnswered(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A request was answered (Art. 12(3))."""

    TYPE: ClassVar[str] = "pdl.request.answered.v1"

    reference: Text
    subject: Subject
    outcome: Literal["fulfilled", "partly", "nothing-held"]


class RequestRefused(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A request was refused; complaint and court must be named (Art. 12(4))."""

    TYPE: ClassVar[str] = "pdl.request.refused.v1"

    reference: Text
    subject: Subject
    ground: Text
    remedy_named: bool


class RequestForwarded(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A processor passed a request on to the controller (Art. 28(3)(e))."""

    TYPE: ClassVar[str] = "pdl.request.forwarded.v1"

    reference: Text
    subject: Subject | None = None
    to: Id


class NoticeGiven(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The person was informed about the processing (Art. 13, 14)."""

    TYPE: ClassVar[str] = "pdl.notice.given.v1"

    subject: Subject
    notice: Notice
    about: tuple[Id, ...] = ()


class SubjectInformed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """One duty to tell was carried out, or tried: storage, disclosure, invitation, outcome, erasure, extension, lift ..."""

    TYPE: ClassVar[str] = "pdl.subject.informed.v1"

    subject: Subject
    about: Id
    outcome: Literal["delivered", "attempted"]


class MilestoneReached(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A moment that retention counts from; without a subject for everyone with that client and reference."""

    TYPE: ClassVar[str] = "pdl.milestone.reached.v1"

    subject: Subject | None = None
    milestone: Id


class HoldPlaced(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A duty to keep (Art. 17(3)); without a subject it holds everyone in the datasets."""

    TYPE: ClassVar[str] = "pdl.hold.placed.v1"

    reference: Text
    subject: Subject | None = None
    datasets: tuple[Id, ...] = ()
    statute: Id
    until: Date | None = None


class HoldReleased(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A hold ended."""

    TYPE: ClassVar[str] = "pdl.hold.released.v1"

    reference: Text
    subject: Subject | None = None


class UnsolicitedReceived(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Personal data arrived that nobody asked for."""

    TYPE: ClassVar[str] = "pdl.unsolicited.received.v1"

    reference: Text
    subject: Subject | None = None
    decision: Literal["needed", "not-needed", "not-possible"] | None = None
    reason: Text | None = None


class UnsolicitedTriaged(Event, frozen=True, kw_only=True, omit_defaults=True):
    """It was decided whether unsolicited data are needed."""

    TYPE: ClassVar[str] = "pdl.unsolicited.triaged.v1"

    reference: Text
    subject: Subject | None = None
    decision: Literal["needed", "not-needed", "not-possible"]
    reason: Text | None = None


class AccessGranted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A client opened a system for a contract or a repair."""

    TYPE: ClassVar[str] = "pdl.access.granted.v1"

    reference: Text
    scope: Literal["contract", "repair"]
    target: Text


class AccessClosed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Access to a client's system ended."""

    TYPE: ClassVar[str] = "pdl.access.closed.v1"

    reference: Text
    scope: Literal["contract", "repair"] | None = None
    target: Text | None = None


class AccessUsed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Access to a client's system was used."""

    TYPE: ClassVar[str] = "pdl.access.used.v1"

    reference: Text
    purpose: Id
    target: Text


class ContractSigned(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A contract with a recipient, a client or the person is in force (Art. 28(3))."""

    TYPE: ClassVar[str] = "pdl.contract.signed.v1"

    reference: Text
    subject: Subject | None = None
    party: Id
    kind: Literal["processor", "subprocessor", "cooperation", "assignment", "service"]
    from_: Date = msgspec.field(name="from")
    until: Date | None = None
    country: Country | None = None
    recipients: tuple[Id, ...] = ()
    services: tuple[Id, ...] = ()


class ContractEnded(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A contract ended."""

    TYPE: ClassVar[str] = "pdl.contract.ended.v1"

    reference: Text
    subject: Subject | None = None


class ProcessorEngaged(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A (sub)processor was taken on; clients are told before (Art. 28(2))."""

    TYPE: ClassVar[str] = "pdl.processor.engaged.v1"

    recipient: Id
    services: tuple[Id, ...]
    country: Country
    announced_at: Date | None = None


class ProcessorEnded(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A (sub)processor was let go."""

    TYPE: ClassVar[str] = "pdl.processor.ended.v1"

    recipient: Id
    services: tuple[Id, ...] = ()
    country: Country | None = None
    announced_at: Date | None = None


class ClientInstructed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A controller instructed its processor (Art. 28(3)(a))."""

    TYPE: ClassVar[str] = "pdl.client.instructed.v1"

    client: Id
    instruction: Literal["configure", "destroy"]
    parameters: dict[str, Any] | None = None
    country: Country | None = None
    public: bool | None = None


class WarrantyGiven(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A client vouches for the data that it hands over."""

    TYPE: ClassVar[str] = "pdl.warranty.given.v1"

    client: Id
    parts: tuple[Literal["lawfully-obtained", "consent-given", "right-to-use"], ...]


class ControlExecuted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A recurring check was done (Art. 5(2))."""

    TYPE: ClassVar[str] = "pdl.control.executed.v1"

    control: Id
    found: Count | None = None
    handled: Count | None = None
    signed_by: Id | None = None


class StatementAnnounced(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A version of the privacy statement was made known."""

    TYPE: ClassVar[str] = "pdl.statement.announced.v1"

    channel: Id
    version: Id


class BreachDetected(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A personal data breach (Art. 33(1)): 72 hours from becoming aware."""

    TYPE: ClassVar[str] = "pdl.breach.detected.v1"

    reference: Text
    aware_at: Date | None = None
    categories: tuple[Id, ...] = ()
    datasets: tuple[Id, ...] = ()


class BreachNotified(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A breach was notified (Art. 33, 34)."""

    TYPE: ClassVar[str] = "pdl.breach.notified.v1"

    reference: Text
    to: Literal["authority", "subjects", "controller"]
    phase: Count | None = None
    delay_reason: Text | None = None


class BreachClosed(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The handling of a breach was closed."""

    TYPE: ClassVar[str] = "pdl.breach.closed.v1"

    reference: Text


class RecipientNotified(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A recipient was told of an erasure, rectification or restriction (Art. 19)."""

    TYPE: ClassVar[str] = "pdl.recipient.notified.v1"

    subject: Subject
    recipient: Id
    operation: Literal["erasure", "rectification", "restriction"]
    notification: Id


class RecipientAcknowledged(Event, frozen=True, kw_only=True, omit_defaults=True):
    """A recipient answered a notification (Art. 19)."""

    TYPE: ClassVar[str] = "pdl.recipient.acknowledged.v1"

    subject: Subject | None = None
    notification: Id
    recipient: Id | None = None
    outcome: Literal["done", "impossible"]
    evidence: Text | None = None


class SubjectLinked(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Two identifiers are one person."""

    TYPE: ClassVar[str] = "pdl.subject.linked.v1"

    subject: Subject
    other: Identifier
    evidence: Text | None = None
    until: Date | None = None


class SubjectUnlinked(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Two identifiers are not one person after all."""

    TYPE: ClassVar[str] = "pdl.subject.unlinked.v1"

    subject: Subject
    other: Identifier
    evidence: Text | None = None
    until: Date | None = None


class FactRetracted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """An event was false; from now on it is judged as absent."""

    TYPE: ClassVar[str] = "pdl.fact.retracted.v1"

    subject: Subject | None = None
    source: Id
    id: Id
    reason: Literal["never-happened", "wrong-person", "wrong-content"]
    replaced_by: Id | None = None


class SourceReported(Event, frozen=True, kw_only=True, omit_defaults=True):
    """What a service says it sent and holds."""

    TYPE: ClassVar[str] = "pdl.source.reported.v1"

    from_: Date = msgspec.field(name="from")
    to: Date
    counts: dict[str, Count]
    holding: dict[Id, Count] | None = None


EVERY: Final[tuple[type[Event], ...]] = (
    DataCollected,
    DataUsed,
    DataShared,
    DataRectified,
    DataDeleted,
    ConsentGiven,
    ConsentRefused,
    ConsentWithdrawn,
    ObjectionRaised,
    ObjectionAnswered,
    RestrictionPlaced,
    RestrictionLifted,
    RequestReceived,
    RequestExtended,
    RequestAnswered,
    RequestRefused,
    RequestForwarded,
    NoticeGiven,
    SubjectInformed,
    MilestoneReached,
    HoldPlaced,
    HoldReleased,
    UnsolicitedReceived,
    UnsolicitedTriaged,
    AccessGranted,
    AccessClosed,
    AccessUsed,
    ContractSigned,
    ContractEnded,
    ProcessorEngaged,
    ProcessorEnded,
    ClientInstructed,
    WarrantyGiven,
    ControlExecuted,
    StatementAnnounced,
    BreachDetected,
    BreachNotified,
    BreachClosed,
    RecipientNotified,
    RecipientAcknowledged,
    SubjectLinked,
    SubjectUnlinked,
    FactRetracted,
    SourceReported,
)
