"""Promises about single acts: allow-lists, matrices, recipients, prohibitions, preconditions, access."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct, field

from ledger.domain.calendar import day_of, duration, late_from
from ledger.domain.facts import Fact
from ledger.policy.case import Case, Setting, deed, rule_order, same_day
from ledger.policy.filters import Ids, When, purposes_of
from ledger.policy.findings import Code, Severity
from ledger.policy.promises.base import Act, PromiseBase
from ledger.policy.promises.contracts import valid_contract
from ledger.policy.timeline import COLLECTED, INSTRUCTED, SIGNED, USED, by_time, same

Field = Literal[
    "category",
    "purpose",
    "operation",
    "basis",
    "origin",
    "role",
    "channel",
    "system",
    "location",
    "age",
    "class",
    "activity",
    "client-country",
    "transformation",
]


class AllowList(PromiseBase, frozen=True, kw_only=True, tag="allow-list"):
    """Only the listed ids may stand in a field of the acts that match.

    `allowed` may hold EEA or EU for a country (by date); `open` says that the list gives examples ("such
    as"), so that another id is a risk; `doubtful` are ids that are a risk by themselves; with
    `transformation`, the `categories` must arrive transformed in an allowed way; `note` makes it a note. An id outside `known` breaks `unknown_also` too.
    """

    field: Field
    when: When = When()
    allowed: Ids = ()
    categories: Ids = ()
    open: bool = False
    doubtful: Ids = ()
    unless_consent: bool = False
    unless_basis: Ids = ()
    once_per_version: bool = False
    note: bool = False
    known: Ids = ()
    unknown_also: Ids = ()


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one category may be used for, or whose it may be, and the rule that says so."""

    allowed: Ids
    rule: str


class Matrix(PromiseBase, frozen=True, kw_only=True, tag="matrix"):
    """For each category its own list of classes or purposes.

    A purpose outside `known` breaks `unknown_also` too; `also_for` adds rules for single purposes;
    `unless_consent` and `unless_basis` excuse.
    """

    of: Literal["class", "purpose"]
    rows: dict[str, Row]
    when: When = When()
    known: Ids = ()
    unknown_also: Ids = ()
    also_for: dict[str, Ids] = field(default_factory=dict)
    unless_consent: bool = False
    unless_basis: Ids = ()


class Recipient(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a listed recipient is for."""

    service: str | None = None
    activities: Ids = ()
    categories: Ids = ()
    rule: str | None = None


class Recipients(PromiseBase, frozen=True, kw_only=True, tag="recipients"):
    """A closed list of recipients, each with its one service; the data's own client and legal duties are exempt."""

    listed: dict[str, Recipient]
    when: When = When(type=("data.shared",))


class Exempt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a prohibited act is allowed after all; claimed by class, purpose or attempts, it must hold in full."""

    categories: Ids = ()
    classes: Ids = ()
    purposes: Ids = ()
    attempts: int | None = None
    to_client: bool = False
    with_contract: bool = False
    rule: str | None = None


class Prohibition(PromiseBase, frozen=True, kw_only=True, tag="prohibition"):
    """What is not done at all, or only by exception; a failed exception is the rule, its prohibition goes in `also`."""

    when: When
    categories: Ids = ()
    exception: Exempt | None = None


class Relation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A running relation: the class that a person must have, and the milestone that ends it."""

    class_: str
    ended: str


class Precondition(PromiseBase, frozen=True, kw_only=True, tag="precondition"):
    """Something that must have come first: a milestone, the warranty of the client, or a running relation.

    With `until_next_contact` a contact uses the milestone up, unless `spared_by` follows the contact.
    """

    when: When
    milestone: str | None = None
    within: str | None = None
    until_next_contact: bool = False
    spared_by: str | None = None
    warranty: Ids = ()
    relation: Relation | None = None


class AccessScope(PromiseBase, frozen=True, kw_only=True, tag="access-scope"):
    """Access to a client's system is used only under an open grant with that reference, target and scope."""


# --- judging ------------------------------------------------------------------------------------------------------------

_SPACE: Final = {
    "client-country": "",
    "location": "",
    "age": "",
    "basis": "",
    "operation": "",
    "origin": "",
    "transformation": "",
}
_NAMES: Final = {
    "category": ("gegevens", "data"),
    "purpose": ("doel", "purpose"),
    "operation": ("verwerking", "operation"),
    "basis": ("grondslag", "basis"),
    "origin": ("herkomst", "origin"),
    "role": ("rol", "role"),
    "channel": ("kanaal", "channel"),
    "system": ("systeem", "system"),
    "location": ("land van opslag", "country of storage"),
    "age": ("leeftijd", "age"),
    "class": ("betrokkene", "person"),
    "activity": ("verwerkingsactiviteit", "processing activity"),
    "client-country": ("land van de opdrachtgever", "country of the client"),
    "transformation": ("omgezet", "transformed"),
}


def allow_list(promise: AllowList, setting: Setting) -> Act:
    """Judge one field of an act against a list."""
    if promise.field == "transformation":
        return _transformed(promise, setting)
    read = _READERS[promise.field]
    allowed, known = frozenset(promise.allowed), frozenset(promise.known)
    countries = promise.field in {"location", "client-country"}
    doubtful, excusing, severity = frozenset(promise.doubtful), frozenset(promise.unless_basis), _severity(promise)

    def judge(fact: Fact, case: Case) -> None:
        found = read(fact, case)
        if not found:
            return
        bad = [
            id_ for id_ in found if not (_in_country_set(id_, allowed, fact, setting) if countries else id_ in allowed)
        ]
        if not bad:
            return
        if fact.basis in excusing:
            return
        if promise.unless_consent and case.consented(fact, purposes_of(fact)):
            return
        if promise.once_per_version and _announced_too(fact, case, allowed):
            return
        soft = severity or ("risk" if doubtful.issuperset(bad) else None)
        nl, en = _NAMES[promise.field]
        did_nl, did_en = deed(fact)
        shown_nl, shown_en = _shown(setting, promise.field, bad)
        categories = bad if promise.field == "category" else None
        also = (*promise.also, *promise.unknown_also) if known and not known.issuperset(bad) else promise.also
        case.find_act(
            promise,
            "not-listed",
            fact,
            f"{did_nl}, buiten wat de verklaring zegt; {nl}: {shown_nl}",
            f"{did_en}, outside what the statement says; {en}: {shown_en}",
            severity=soft,
            categories=categories,
            also=also,
        )

    return judge


def _severity(promise: AllowList) -> Severity | None:
    return "note" if promise.note else "risk" if promise.open else None


def _shown(setting: Setting, field: str, ids: Iterable[str]) -> tuple[str, str]:
    if field in _SPACE:
        text = ", ".join(dict.fromkeys(ids))  # codes of the contract, and countries
        return text, text
    return setting.shown(field, ids)


def _one(name: str) -> Callable[[Fact, Case], Ids]:
    def read(fact: Fact, _: Case) -> Ids:
        value = getattr(fact, name)
        return () if value is None else (value,)

    return read


def _basis(fact: Fact, case: Case) -> Ids:
    basis = case.setting.basis_of(fact)
    return () if basis is None else (basis,)


def _client_country(fact: Fact, case: Case) -> Ids:
    if fact.type == SIGNED:
        country = fact.country if fact.kind == "processor" else None
    elif fact.type == INSTRUCTED:
        country = fact.country
    else:
        country = None if fact.client is None else case.organisation.country_of(fact.client, fact.time)
    return () if country is None else (country,)


_READERS: Final[dict[str, Callable[[Fact, Case], Ids]]] = {
    "category": lambda fact, _: fact.categories,
    "purpose": lambda fact, _: purposes_of(fact),
    "operation": _one("operation"),
    "basis": _basis,
    "origin": _one("origin"),
    "role": _one("role"),
    "channel": _one("channel"),
    "system": _one("system"),
    "location": _one("location"),
    "age": _one("age"),
    "class": _one("class_"),
    "activity": _one("activity"),
    "client-country": _client_country,
}


def _in_country_set(country: str, allowed: frozenset[str], fact: Fact, setting: Setting) -> bool:
    day = day_of(fact.time)
    return (
        country in allowed
        or ("EEA" in allowed and setting.law.in_eea(country, day))
        or ("EU" in allowed and setting.law.in_eu(country, day))
    )


def _announced_too(fact: Fact, case: Case, channels: frozenset[str]) -> bool:
    """Whether the same version was announced over a listed channel, by the end of that day."""
    return any(
        other.version == fact.version
        and other.channel in channels
        and (other.time <= fact.time or same_day(other.time, fact.time))
        for other in case.organisation.types.get(fact.type, ())
    )


def _transformed(promise: AllowList, setting: Setting) -> Act:
    allowed, bound = frozenset(promise.allowed), frozenset(promise.categories)

    def judge(fact: Fact, case: Case) -> None:
        given = fact.transformed or {}
        bad = [category for category in fact.categories if category in bound and given.get(category) not in allowed]
        if bad:
            nl, en = setting.shown("category", bad)
            case.find_act(
                promise,
                "not-transformed",
                fact,
                f"onbewerkt vastgelegd: {nl}",
                f"recorded as it is: {en}",
                categories=bad,
            )

    return judge


def matrix(promise: Matrix, setting: Setting) -> Act:
    """Judge each category of an act against its own list of classes or purposes."""
    rows = {category: (frozenset(row.allowed), row.rule) for category, row in promise.rows.items()}
    by_class = promise.of == "class"
    code: Code = "not-for-this-class" if by_class else "not-for-this-purpose"
    excusing, known = frozenset(promise.unless_basis), frozenset(promise.known)

    def judge(fact: Fact, case: Case) -> None:
        if not any(category in rows for category in fact.categories):
            return
        class_ = case.class_of(fact) if by_class else None
        mine = ((class_,) if class_ is not None else ()) if by_class else purposes_of(fact)
        bad = [
            (category, id_)
            for category in fact.categories
            if category in rows
            for id_ in mine
            if id_ not in rows[category][0]
        ]
        if not bad or fact.basis in excusing:
            return
        if promise.unless_consent:
            bad = [
                (category, id_)
                for category, id_ in bad
                if case.person.consent(id_, fact.time, fact.client, fact.recipient) is None
            ]
            if not bad:
                return
        rules = {rows[category][1] for category, _ in bad}
        ids = dict.fromkeys(id_ for _, id_ in bad)  # In the order of the act: a message is the same every time.
        for id_ in ids:
            rules.update(promise.also_for.get(id_, ()))
        named = min((rows[category][1] for category, _ in bad), key=rule_order)
        also = (
            tuple(rules - {named})
            + promise.also
            + (promise.unknown_also if known and not known.issuperset(ids) else ())
        )
        nl, en = setting.shown("category", [category for category, _ in bad])
        of_nl, of_en = setting.shown(promise.of, ids)
        what_nl, what_en = _NAMES[promise.of]
        did_nl, did_en = deed(fact)
        case.find_act(
            promise,
            code,
            fact,
            f"{nl}: {did_nl}, en dat past niet bij de verklaring; {what_nl}: {of_nl}",
            f"{en}: {did_en}, which does not fit the statement; {what_en}: {of_en}",
            rule=named,
            also=also,
            categories=[c for c, _ in bad],
        )

    return judge


def recipients(promise: Recipients, setting: Setting) -> Act:
    """Judge a share against the list of recipients and their services."""
    listed = promise.listed

    def judge(fact: Fact, case: Case) -> None:
        if fact.basis == "legal-obligation" or (fact.client is not None and fact.recipient == fact.client):
            return
        row = listed.get(fact.recipient or "")
        if row is None:
            nl, en = setting.shown("recipient", [fact.recipient or ""])
            case.find_act(
                promise,
                "not-a-recipient",
                fact,
                f"gedeeld met een ontvanger die de verklaring niet noemt; ontvanger: {nl}",
                f"shared with a recipient that the statement does not name; recipient: {en}",
            )
            return
        beyond = (
            (row.service is not None and fact.service is not None and fact.service != row.service)
            or (row.activities and fact.activity not in row.activities)
            or (row.categories and not set(row.categories).issuperset(fact.categories))
        )
        if beyond:
            nl, en = setting.shown("recipient", [fact.recipient or ""])
            case.find_act(
                promise,
                "wrong-service",
                fact,
                f"{nl}, buiten de genoemde dienst",
                f"{en}, outside the service that is stated",
                rule=row.rule or promise.rule,
            )

    return judge


def prohibition(promise: Prohibition, setting: Setting) -> Act:
    """Judge an act that is prohibited, unless its exception holds in full."""
    bound, exception = frozenset(promise.categories), promise.exception

    def judge(fact: Fact, case: Case) -> None:
        bad = [category for category in fact.categories if category in bound] if bound else list(fact.categories)
        if bound and not bad:
            return
        if exception is not None and _excused(exception, fact, bad, case):
            return
        failed = exception is not None and exception.rule is not None and _claimed(exception, fact, case)
        rule = exception.rule if exception is not None and failed else promise.rule
        nl, en = setting.shown("category", bad)
        did_nl, did_en = deed(fact)
        did_nl, did_en = f"{did_nl}, en dat sluit de verklaring uit", f"{did_en}, which the statement rules out"
        nl, en = (f"{did_nl}: {nl}", f"{did_en}: {en}") if bad else (did_nl, did_en)
        case.find_act(
            promise, "prohibited", fact, nl, en, rule=rule, also=(*promise.also, promise.rule), categories=bad
        )

    return judge


def _claimed(exempt: Exempt, fact: Fact, case: Case) -> bool:
    return (
        fact.attempts is not None
        or case.class_of(fact) in exempt.classes
        or (bool(exempt.purposes) and not set(exempt.purposes).isdisjoint(purposes_of(fact)))
    )


def _excused(exempt: Exempt, fact: Fact, categories: Sequence[str], case: Case) -> bool:
    if exempt.to_client and fact.client is not None and fact.recipient == fact.client:
        return True
    if exempt.with_contract and valid_contract(fact, case) is not None:
        return True
    if not (exempt.categories or exempt.classes or exempt.purposes or exempt.attempts is not None):
        return False
    purposes, class_ = purposes_of(fact), case.class_of(fact)
    return (
        (not exempt.categories or set(exempt.categories).issuperset(categories))
        and (not exempt.classes or class_ is None or class_ in exempt.classes)
        and (not exempt.purposes or not purposes or not set(exempt.purposes).isdisjoint(purposes))
        and (exempt.attempts is None or (fact.attempts or 0) >= exempt.attempts)
        and _claimed(exempt, fact, case)
    )


def precondition(promise: Precondition, setting: Setting) -> Act:
    """Judge an act by what must have come before it."""
    if promise.warranty:
        return _warranted(promise)
    if promise.relation is not None:
        return _related(promise, promise.relation)
    term = duration(promise.within) if promise.within else None

    def judge(fact: Fact, case: Case) -> None:
        for reached in reversed(case.person.milestone(promise.milestone or "")):
            if reached.time > fact.time or not same(reached.fact.client, fact.client):
                continue
            if term is not None and late_from(reached.time, term) <= fact.time:
                continue
            if promise.until_next_contact and _used_up(promise, reached.time, fact, case):
                continue
            return
        nl, en = setting.shown("milestone", [promise.milestone or ""])
        case.find_act(promise, "precondition-missing", fact, f"zonder voorafgaand: {nl}", f"without first: {en}")

    return judge


def _used_up(promise: Precondition, since: datetime, fact: Fact, case: Case) -> bool:
    """Whether an earlier contact already answered the request; a call that reached nobody did not."""
    contacts = [
        other
        for other in case.person.types.get(USED, ())
        if other.operation == "contact"
        and other.time >= since
        and by_time(other) < by_time(fact)
        and same(other.client, fact.client)
    ]
    spared = case.person.milestone(promise.spared_by) if promise.spared_by else []
    for at, contact in enumerate(contacts):
        end = contacts[at + 1].time if at + 1 < len(contacts) else fact.time
        if not (contact.channel == "phone" and any(contact.time <= mark.time <= end for mark in spared)):
            return True
    return False


def _warranted(promise: Precondition) -> Act:
    parts = frozenset(promise.warranty)

    def judge(fact: Fact, case: Case) -> None:
        if fact.client is None:
            return
        lacking = parts - case.organisation.warranted(fact.client, fact.reference, fact.time)
        if lacking:
            text = ", ".join(sorted(lacking))
            case.find_act(
                promise,
                "warranty-missing",
                fact,
                f"garantie van de opdrachtgever ontbreekt: {text}",
                f"warranty of the client is missing: {text}",
            )

    return judge


def _related(promise: Precondition, relation: Relation) -> Act:
    def judge(fact: Fact, case: Case) -> None:
        class_ = case.class_of(fact)
        if class_ is not None and class_ != relation.class_:
            case.find_act(promise, "precondition-missing", fact, "geen lopende relatie", "no running relation")
            return
        ended = [
            mark
            for mark in case.person.milestone(relation.ended)
            if mark.time < fact.time and same(mark.fact.client, fact.client)
        ]
        if not ended:
            return
        last = ended[-1]
        back = any(
            last.time < other.time <= fact.time and other.class_ == relation.class_
            for other in case.person.types.get(COLLECTED, ())
        )
        if not back:
            case.find_act(
                promise,
                "precondition-missing",
                fact,
                "de relatie was beëindigd",
                "the relation had ended",
                besides=(last.fact,),
            )

    return judge


def access_scope(promise: AccessScope, _: Setting) -> Act:
    """Judge a use of access to a client's system by its grant."""

    def judge(fact: Fact, case: Case) -> None:
        types = case.organisation.types
        for grant in types.get("pdl.access.granted.v1", ()):
            if (
                grant.reference != fact.reference
                or grant.target != fact.target
                or grant.scope != fact.purpose
                or grant.time > fact.time
            ):
                continue
            if not any(_closes(closed, grant, fact) for closed in types.get("pdl.access.closed.v1", ())):
                return
        case.find_act(
            promise,
            "outside-access",
            fact,
            "toegang zonder geldige toestemming voor dit doel",
            "access without a grant for this purpose",
        )

    return judge


def _closes(closed: Fact, grant: Fact, used: Fact) -> bool:
    return (
        closed.reference == grant.reference
        and same(closed.scope, grant.scope)
        and same(closed.target, grant.target)
        and by_time(grant) < by_time(closed) < by_time(used)
    )
