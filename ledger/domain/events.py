"""Every event type of the contract as a typed, frozen struct under a fixed wire name.

A field says in its type how it may appear outside the seal: an id of a *space* (clear when the
pack or the contract lists it, else a keyed token), *keyed* (always a token: equality survives,
text does not), *sealed* (only "given" is visible) or plain (times, numbers, codes of the contract).
Source: the contract at the edges, version 1.
"""

from __future__ import annotations

import re
from datetime import datetime
from string import ascii_uppercase
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

ID_LENGTH_MAX: Final = 200
TEXT_LENGTH_MAX: Final = 4000


def _space(name: str) -> Meta:
    return Meta(min_length=1, max_length=ID_LENGTH_MAX, extra={"space": name})


OrganisationId = Annotated[str, Meta(min_length=1, max_length=ID_LENGTH_MAX)]
Activity = Annotated[str, _space("activity")]
Category = Annotated[str, _space("category")]
Channel = Annotated[str, _space("channel")]
Class = Annotated[str, _space("class")]
Client = Annotated[str, _space("client")]
Condition = Annotated[str, _space("condition")]
Control = Annotated[str, _space("control")]
Dataset = Annotated[str, _space("dataset")]
Duty = Annotated[str, _space("duty")]
Milestone = Annotated[str, _space("milestone")]
NoticeId = Annotated[str, _space("notice")]
Party = Annotated[str, _space("party")]
Purpose = Annotated[str, _space("purpose")]
Recipient = Annotated[str, _space("recipient")]
Role = Annotated[str, _space("role")]
Scheme = Annotated[str, _space("scheme")]
Service = Annotated[str, _space("service")]
Statute = Annotated[str, _space("statute")]
System = Annotated[str, _space("system")]
Version = Annotated[str, _space("version")]

Keyed = Annotated[str, Meta(min_length=1, max_length=TEXT_LENGTH_MAX, extra={"veil": "keyed"})]
Sealed = Annotated[str, Meta(min_length=1, max_length=TEXT_LENGTH_MAX, extra={"veil": "sealed"})]
Opaque = Annotated[str, Meta(min_length=1, max_length=ID_LENGTH_MAX)]
"""An id that a producer or the ledger made up: it names an event or a system, never a person."""
COUNTRIES: Final = frozenset(first + second for first in ascii_uppercase for second in ascii_uppercase)
"""Two capital letters, as ISO 3166-1 has them."""
LANGUAGE: Final = re.compile("^[a-z]{2,3}(-[A-Za-z]{2})?$")
Country = Annotated[str, Meta(extra_json_schema={"type": "string", "pattern": "^[A-Z]{2}$"})]
Language = Annotated[str, Meta(extra_json_schema={"type": "string", "pattern": LANGUAGE.pattern})]
"""Both are looked at after decoding (`ledger.domain.envelope`), because the decoder takes a third of its time for a pattern."""
Moment = Annotated[datetime, Meta(tz=True)]
Date = Annotated[
    str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2}))?$")
]
"""RFC 3339 time, or a date alone where a day is meant (a hold that ends with a day)."""
Count = Annotated[int, Meta(ge=0, le=2**53)]

Basis = Literal["consent", "contract", "legal-obligation", "vital-interest", "public-task", "legitimate-interest"]
Operation = Literal[
    "store", "consult", "select", "contact", "report", "profile", "analyse", "enrich", "decide", "export"
]
Origin = Literal["subject", "service", "third-party", "public", "device"]
Transformation = Literal["keyed-hash", "truncated", "generalised"]
Age = Literal["under-16", "under-18", "adult"]
Right = Literal["access", "rectification", "erasure", "restriction", "portability", "objection", "complaint"]
TransferTool = Literal["adequacy", "scc", "bcr", "derogation"]

SUBJECT_REQUIRED: Final = "required"
SUBJECT_OPTIONAL: Final = "optional"
NO_SUBJECT: Final = "none"


class Identifier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One identifier of a person: a scheme of the pack (customer-number, email, phone ...) and its value."""

    scheme: Scheme
    value: Annotated[str, Meta(min_length=1, max_length=500)]


class Subject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The person concerned, with what the pack needs to know of them."""

    scheme: Scheme
    value: Annotated[str, Meta(min_length=1, max_length=500)]
    class_: Class | None = msgspec.field(default=None, name="class")
    age: Age | None = None
    also: Annotated[tuple[Identifier, ...], Meta(max_length=20)] = ()


class Actor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Who acted: a role of the pack, and an opaque account id that is sealed."""

    role: Role
    id: Annotated[str, Meta(min_length=1, max_length=ID_LENGTH_MAX)] | None = None


class Notice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Which information the person was shown (GDPR Art. 13, 14)."""

    id: NoticeId
    version: Version | None = None
    at: Date | None = None
    language: Language | None = None


class Event(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What every type carries: whose statement applies, and the circumstances."""

    WIRE: ClassVar[str] = ""
    SUBJECT: ClassVar[str] = NO_SUBJECT

    organisation: OrganisationId
    activity: Activity | None = None
    client: Client | None = None
    actor: Actor | None = None
    system: System | None = None
    location: Country | None = None
    reference: Keyed | None = None
    channel: Channel | None = None


class AboutPerson(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """An event about one person."""

    SUBJECT: ClassVar[str] = SUBJECT_REQUIRED
    subject: Subject


class MaybeAboutPerson(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """An event about one person or, without a subject, about everyone it names by client or reference."""

    SUBJECT: ClassVar[str] = SUBJECT_OPTIONAL
    subject: Subject | None = None


class DataCollected(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Personal data were obtained: with `values`, or `categories` alone where the value is not passed on (Art. 13, 14)."""

    WIRE: ClassVar[str] = "pdl.data.collected.v1"
    activity: Activity
    values: dict[Category, Raw] | None = None
    categories: tuple[Category, ...] | None = None
    origin: Origin
    basis: Basis | None = None
    purposes: tuple[Purpose, ...] = ()
    notice: Notice | None = None
    transformed: dict[Category, Transformation] | None = None
    attempts: Count | None = None
    condition: Condition | None = None


class DataUsed(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Personal data were used for a purpose (Art. 5(1)(b))."""

    WIRE: ClassVar[str] = "pdl.data.used.v1"
    activity: Activity
    purpose: Purpose
    operation: Operation
    categories: tuple[Category, ...]
    basis: Basis | None = None


class DataShared(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Personal data went to a recipient (Art. 28, 44)."""

    WIRE: ClassVar[str] = "pdl.data.shared.v1"
    activity: Activity
    recipient: Recipient
    service: Service | None = None
    purpose: Purpose
    categories: tuple[Category, ...]
    basis: Basis
    country: Country | None = None
    contract: Keyed | None = None
    transfer_tool: TransferTool | None = None
    informing_waived: Sealed | None = None


class DataRectified(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Values were corrected (Art. 16): earlier values are superseded, not changed."""

    WIRE: ClassVar[str] = "pdl.data.rectified.v1"
    activity: Activity
    values: dict[Category, Raw]
    reason: Sealed | None = None


class DataDeleted(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A system removed its copy; without `system` it speaks for every system of the activity (Art. 17)."""

    WIRE: ClassVar[str] = "pdl.data.deleted.v1"
    activity: Activity
    categories: tuple[Category, ...]
    how: Literal["deleted", "anonymised"] | None = None
    reason: Literal["retention", "request", "withdrawal", "instruction", "unsolicited"] | None = None
    order: Opaque | None = None


class ConsentGiven(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The person agreed to a purpose (Art. 7)."""

    WIRE: ClassVar[str] = "pdl.consent.given.v1"
    purpose: Purpose
    recipient: Recipient | None = None
    notice: Notice | None = None
    method: Sealed
    evidence: Sealed | None = None
    until: Date | None = None


class ConsentRefused(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The person did not agree to a purpose."""

    WIRE: ClassVar[str] = "pdl.consent.refused.v1"
    purpose: Purpose
    recipient: Recipient | None = None


class ConsentWithdrawn(
    AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """The person took consent back (Art. 7(3))."""

    WIRE: ClassVar[str] = "pdl.consent.withdrawn.v1"
    purpose: Purpose
    recipient: Recipient | None = None


class ObjectionRaised(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The person objects to a purpose (Art. 21)."""

    WIRE: ClassVar[str] = "pdl.objection.raised.v1"
    purpose: Purpose


class ObjectionAnswered(
    AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """An objection was upheld, or overridden on compelling grounds (Art. 21(1))."""

    WIRE: ClassVar[str] = "pdl.objection.answered.v1"
    purpose: Purpose
    outcome: Literal["upheld", "overridden"]
    grounds: Sealed | None = None


class RestrictionPlaced(
    AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """Processing is restricted to storage (Art. 18(1))."""

    WIRE: ClassVar[str] = "pdl.restriction.placed.v1"
    ground: Literal["accuracy", "unlawful", "claims", "objection"] | None = None


class RestrictionLifted(
    AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A restriction ended; the person is told before (Art. 18(3))."""

    WIRE: ClassVar[str] = "pdl.restriction.lifted.v1"
    ground: Literal["accuracy", "unlawful", "claims", "objection"] | None = None


class RequestReceived(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The person exercises a right (Art. 12, 15-22): the clock starts."""

    WIRE: ClassVar[str] = "pdl.request.received.v1"
    right: Right
    reference: Keyed


class RequestExtended(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Two further months were taken, with reasons (Art. 12(3))."""

    WIRE: ClassVar[str] = "pdl.request.extended.v1"
    reference: Keyed
    reason: Sealed
    informed_at: Date | None = None


class RequestAnswered(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A request was answered (Art. 12(3))."""

    WIRE: ClassVar[str] = "pdl.request.answered.v1"
    reference: Keyed
    outcome: Literal["fulfilled", "partly", "nothing-held"]


class RequestRefused(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A request was refused; complaint and court must be named (Art. 12(4))."""

    WIRE: ClassVar[str] = "pdl.request.refused.v1"
    reference: Keyed
    ground: Sealed
    remedy_named: bool


class RequestForwarded(
    MaybeAboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A processor passed a request on to the controller (Art. 28(3)(e))."""

    WIRE: ClassVar[str] = "pdl.request.forwarded.v1"
    reference: Keyed
    to: Client


class NoticeGiven(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The person was informed about the processing (Art. 13, 14)."""

    WIRE: ClassVar[str] = "pdl.notice.given.v1"
    notice: Notice
    about: tuple[Category, ...] = ()


class SubjectInformed(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One duty to tell was carried out, or tried: storage, disclosure, invitation, outcome, erasure, extension, lift ..."""

    WIRE: ClassVar[str] = "pdl.subject.informed.v1"
    about: Duty
    outcome: Literal["delivered", "attempted"]


class MilestoneReached(
    MaybeAboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A moment that retention counts from; without a subject for everyone with that client and reference."""

    WIRE: ClassVar[str] = "pdl.milestone.reached.v1"
    milestone: Milestone


class HoldPlaced(MaybeAboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A duty to keep (Art. 17(3)); without a subject it holds everyone in the datasets."""

    WIRE: ClassVar[str] = "pdl.hold.placed.v1"
    datasets: tuple[Dataset, ...] = ()
    statute: Statute
    until: Date | None = None
    reference: Keyed


class HoldReleased(
    MaybeAboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A hold ended."""

    WIRE: ClassVar[str] = "pdl.hold.released.v1"
    reference: Keyed


class UnsolicitedReceived(
    MaybeAboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """Personal data arrived that nobody asked for."""

    WIRE: ClassVar[str] = "pdl.unsolicited.received.v1"
    reference: Keyed
    decision: Literal["needed", "not-needed", "not-possible"] | None = None
    reason: Sealed | None = None


class UnsolicitedTriaged(
    MaybeAboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """It was decided whether unsolicited data are needed."""

    WIRE: ClassVar[str] = "pdl.unsolicited.triaged.v1"
    reference: Keyed
    decision: Literal["needed", "not-needed", "not-possible"]
    reason: Sealed | None = None


class AccessGranted(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A client opened a system for a contract or a repair."""

    WIRE: ClassVar[str] = "pdl.access.granted.v1"
    reference: Keyed
    scope: Literal["contract", "repair"]
    target: Keyed


class AccessClosed(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Access to a client's system ended."""

    WIRE: ClassVar[str] = "pdl.access.closed.v1"
    reference: Keyed
    scope: Literal["contract", "repair"] | None = None
    target: Keyed | None = None


class AccessUsed(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Access to a client's system was used."""

    WIRE: ClassVar[str] = "pdl.access.used.v1"
    reference: Keyed
    purpose: Purpose
    target: Keyed


class ContractSigned(
    MaybeAboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A contract with a recipient, a client or the person is in force (Art. 28(3))."""

    WIRE: ClassVar[str] = "pdl.contract.signed.v1"
    reference: Keyed
    party: Party
    kind: Literal["processor", "subprocessor", "cooperation", "assignment", "service"]
    from_: Date = msgspec.field(name="from")
    until: Date | None = None
    country: Country | None = None
    recipients: tuple[Recipient, ...] = ()
    services: tuple[Service, ...] = ()


class ContractEnded(
    MaybeAboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A contract ended."""

    WIRE: ClassVar[str] = "pdl.contract.ended.v1"
    reference: Keyed


class ProcessorEngaged(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A (sub)processor was taken on; clients are told before (Art. 28(2))."""

    WIRE: ClassVar[str] = "pdl.processor.engaged.v1"
    recipient: Recipient
    services: tuple[Service, ...]
    country: Country
    announced_at: Date | None = None


class ProcessorEnded(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A (sub)processor was let go."""

    WIRE: ClassVar[str] = "pdl.processor.ended.v1"
    recipient: Recipient
    services: tuple[Service, ...] = ()
    country: Country | None = None
    announced_at: Date | None = None


class ClientInstructed(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A controller instructed its processor (Art. 28(3)(a))."""

    WIRE: ClassVar[str] = "pdl.client.instructed.v1"
    client: Client
    instruction: Literal["configure", "destroy"]
    parameters: dict[str, Any] | None = None
    country: Country | None = None
    public: bool | None = None


class WarrantyGiven(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A client vouches for the data that it hands over."""

    WIRE: ClassVar[str] = "pdl.warranty.given.v1"
    client: Client
    parts: tuple[Literal["lawfully-obtained", "consent-given", "right-to-use"], ...]


class ControlExecuted(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A recurring check was done (Art. 5(2))."""

    WIRE: ClassVar[str] = "pdl.control.executed.v1"
    control: Control
    found: Count | None = None
    handled: Count | None = None
    signed_by: Role | None = None


class StatementAnnounced(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A version of the privacy statement was made known."""

    WIRE: ClassVar[str] = "pdl.statement.announced.v1"
    version: Version
    channel: Channel


class BreachDetected(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A personal data breach (Art. 33(1)): 72 hours from becoming aware."""

    WIRE: ClassVar[str] = "pdl.breach.detected.v1"
    reference: Keyed
    aware_at: Date | None = None
    categories: tuple[Category, ...] = ()
    datasets: tuple[Dataset, ...] = ()


class BreachNotified(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A breach was notified (Art. 33, 34)."""

    WIRE: ClassVar[str] = "pdl.breach.notified.v1"
    reference: Keyed
    to: Literal["authority", "subjects", "controller"]
    phase: Count | None = None
    delay_reason: Sealed | None = None


class BreachClosed(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The handling of a breach was closed."""

    WIRE: ClassVar[str] = "pdl.breach.closed.v1"
    reference: Keyed


class RecipientNotified(
    AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A recipient was told of an erasure, rectification or restriction (Art. 19)."""

    WIRE: ClassVar[str] = "pdl.recipient.notified.v1"
    recipient: Recipient
    operation: Literal["erasure", "rectification", "restriction"]
    notification: Opaque


class RecipientAcknowledged(
    MaybeAboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A recipient answered a notification (Art. 19)."""

    WIRE: ClassVar[str] = "pdl.recipient.acknowledged.v1"
    notification: Opaque
    recipient: Recipient | None = None
    outcome: Literal["done", "impossible"]
    evidence: Sealed | None = None


class SubjectLinked(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Two identifiers are one person."""

    WIRE: ClassVar[str] = "pdl.subject.linked.v1"
    other: Identifier
    evidence: Sealed | None = None
    until: Date | None = None


class SubjectUnlinked(AboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Two identifiers are not one person after all."""

    WIRE: ClassVar[str] = "pdl.subject.unlinked.v1"
    other: Identifier
    evidence: Sealed | None = None
    until: Date | None = None


class FactRetracted(
    MaybeAboutPerson, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """An event was false; from now on it is judged as absent."""

    WIRE: ClassVar[str] = "pdl.fact.retracted.v1"
    source: Opaque
    id: Opaque
    reason: Literal["never-happened", "wrong-person", "wrong-content"]
    replaced_by: Opaque | None = None


class SourceReported(Event, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What a service says it sent and holds."""

    WIRE: ClassVar[str] = "pdl.source.reported.v1"
    from_: Date = msgspec.field(name="from")
    to: Date
    counts: dict[str, Count]
    holding: dict[Activity, Count] | None = None


EVENT_TYPES: Final[tuple[type[Event], ...]] = (
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
BY_WIRE: Final[dict[str, type[Event]]] = {event.WIRE: event for event in EVENT_TYPES}
