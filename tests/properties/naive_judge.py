"""A second judge: slow, naive, written from the contract alone, for a few families of rules. It shares no code with the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
Event = dict[str, Any]
Span = tuple[datetime, datetime | None]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=AMSTERDAM)


def local(time: datetime) -> date:
    return time.astimezone(AMSTERDAM).date()


def easter(year: int) -> date:
    """Butcher's rule."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (a + 11 * h) // 319
    r = (2 * e + 2 * i - k - h + m + 32) % 7
    month = (h - m + r + 90) // 25
    return date(year, month, (h - m + r + month + 19) % 32)


def works(day: date) -> bool:
    """Monday to Friday, but for Algemene termijnenwet art. 3(1) and Good Friday."""
    from_easter = (day - easter(day.year)).days
    kings_day = date(day.year, 4, 27) if date(day.year, 4, 27).weekday() != 6 else date(day.year, 4, 26)
    fixed = {date(day.year, 1, 1), date(day.year, 5, 5), date(day.year, 12, 25), date(day.year, 12, 26), kings_day}
    return day.weekday() < 5 and from_easter not in {-2, 0, 1, 39, 49, 50} and day not in fixed


def next_working(day: date) -> date:
    day += timedelta(days=1)
    while not works(day):
        day += timedelta(days=1)
    return day


def later(day: date, term: str) -> date:
    number, unit = int(re.sub(r"\D", "", term)), term[-1]
    if unit in "DW":
        return day + timedelta(days=number * (7 if unit == "W" else 1))
    months = day.year * 12 + day.month - 1 + number * (12 if unit == "Y" else 1)
    year, month = divmod(months, 12)
    for last in range(day.day, 0, -1):
        try:
            return date(year, month + 1, last)
        except ValueError:
            continue
    raise AssertionError


def after_term(start: datetime, term: str) -> datetime:
    """The first moment after a promised term; P0D is the end of the next working day."""
    day = next_working(local(start)) if term == "P0D" else later(local(start), term)
    return midnight(day + timedelta(days=1))


def after_law(start: datetime, term: str) -> tuple[datetime, datetime]:
    """The first moment after a statutory term, unrolled and rolled."""
    day = rolled = later(local(start), term)
    while not works(rolled):
        rolled += timedelta(days=1)
    return midnight(day + timedelta(days=1)), midnight(rolled + timedelta(days=1))


@dataclass
class Case:
    """One person's history, in order."""

    events: list[Event]
    now: datetime

    def __post_init__(self) -> None:
        self.events = sorted(
            (e for e in self.events if moment(e["time"]) <= self.now),
            key=lambda e: (moment(e["time"]), e["source"], e["id"]),
        )

    def of(self, kind: str, **given: Any) -> list[Event]:
        return [
            e
            for e in self.events
            if e["type"] == f"pdl.{kind}.v1" and all(e["data"].get(k) == v for k, v in given.items())
        ]

    def until_now(self, kind: str, time: datetime, **given: Any) -> list[Event]:
        return [e for e in self.of(kind, **given) if moment(e["time"]) <= time]


def same(a: str | None, b: str | None) -> bool:
    return a is None or b is None or a == b


def holders(case: Case, collection: Event, time: datetime) -> dict[str, set[str | None]]:
    """Per category of a collection the systems that hold it at a moment (None: it was collected without a system)."""
    data = collection["data"]
    peers = [
        e for e in case.of("data.collected", activity=data["activity"]) if e["data"].get("client") == data.get("client")
    ]
    held: dict[str, dict[str, set[str | None]]] = {}
    for event in case.events:
        what = event["data"]
        if moment(event["time"]) > time or what.get("activity") != data["activity"]:
            continue
        if event in peers:
            held[event["id"]] = {category: {what.get("system")} for category in what["categories"]}
        elif event["type"] == "pdl.data.used.v1" and what.get("system") and what.get("client") == data.get("client"):
            for category in what["categories"]:
                having = [states for states in held.values() if states.get(category)]
                ever = [states for states in held.values() if category in states]
                for states in having or ever[-1:]:
                    states[category].add(what["system"])
        elif event["type"] == "pdl.data.deleted.v1":
            for peer in peers:
                if peer["id"] in held and all(
                    what.get(f) in (None, peer["data"].get(f)) for f in ("client", "reference")
                ):
                    for category, systems in held[peer["id"]].items():
                        if "*" in what["categories"] or category in what["categories"]:
                            if what.get("system"):
                                systems.discard(what["system"])
                            else:
                                systems.clear()
    return held.get(collection["id"], {})


@dataclass(frozen=True)
class Ground:
    """What sets a term: milestones with a term, at or after the collection."""

    rule: str
    term: str
    milestone: str
    whole_person: bool = False
    also_contact: bool = False


def reached(case: Case, collection: Event, ground: Ground, time: datetime) -> list[datetime]:
    data, start = collection["data"], moment(collection["time"])
    found = []
    for event in case.until_now("milestone.reached", time, milestone=ground.milestone):
        what, at = event["data"], moment(event["time"])
        if not same(what.get("client"), data.get("client")):
            continue
        matching = ground.whole_person or same(what.get("reference"), data.get("reference"))
        earlier = what.get("reference") is not None and what.get("reference") == data.get("reference")
        if (at >= start and matching) or (at < start and earlier):
            found.append(at)
    if ground.also_contact:
        for event in case.events:
            what, at = event["data"], moment(event["time"])
            if not start <= at <= time:
                continue
            if (
                event["type"] == "pdl.data.collected.v1"
                and what["activity"] == "forms"
                and what.get("origin") == "subject"
            ):
                found.append(at)
            if (
                event["type"] == "pdl.data.used.v1"
                and what["operation"] == "contact"
                and what["activity"] in {"forms", "crm"}
            ):
                found.append(at)
    return found


def hold_spans(case: Case, dataset: str) -> list[Span]:
    spans: list[Span] = []
    for event in case.of("hold.placed"):
        what = event["data"]
        if what.get("datasets") and dataset not in what["datasets"]:
            continue
        ends = [
            moment(e["time"])
            for e in case.of("hold.released", reference=what["reference"])
            if moment(e["time"]) >= moment(event["time"])
        ]
        if what.get("until"):
            ends.append(moment(what["until"]))
        spans.append((moment(event["time"]), min(ends, default=None)))
    return spans


def excused(spans: Iterable[Span], due: datetime, time: datetime) -> bool:
    """Held on a ground at that moment: under a hold, or in the days to act (P0D) after one that outlasted the term."""
    return any(
        start <= time
        and (end is None or start < end)
        and (end is None or time < end or (due < end and time < after_p0d(end)))
        for start, end in spans
    )


def after_p0d(end: datetime) -> datetime:
    """P0D from the end of a hold or a contract."""
    return after_term(end, "P0D")


def overdue_spans(
    case: Case, collection: Event, due_at: Callable[[datetime], datetime | None], spans: list[Span]
) -> list[Span]:
    """When a collection was held past its term: asked anew at every moment at which anything may change."""
    points = {moment(e["time"]) for e in case.events} | {start for start, _ in spans}
    points |= {point for _, end in spans if end for point in (end, after_p0d(end))}
    for point in sorted(points):
        due = due_at(point)
        if due is not None:
            points = points | {due}
    found: list[list[datetime | None]] = []
    open_ = False
    for point in sorted(p for p in points if p <= case.now):
        due = due_at(point)
        kept = any(holders(case, collection, point).values())
        wrong = due is not None and point >= due and kept and not excused(spans, due, point)
        if wrong and not open_:
            found.append([point, None])
        if open_ and not wrong:
            found[-1][1] = point
        open_ = wrong
    return [(start, end) for start, end in found if start is not None]


def stops(case: Case, purpose: str, start: datetime, client: str | None, time: datetime) -> datetime | None:
    """When consent for a purpose ended, at or after the start, if it has not been given again."""
    ended: datetime | None = None
    for event in case.events:
        what, at = event["data"], moment(event["time"])
        if what.get("purpose") != purpose or at > time or not same(what.get("client"), client):
            continue
        if event["type"] in {"pdl.consent.withdrawn.v1", "pdl.objection.raised.v1"} and at >= start:
            ended = ended or at
        if event["type"] == "pdl.consent.given.v1":
            ended = None
    return ended


def due_of(case: Case, collection: Event, grounds: list[Ground]) -> Callable[[datetime], datetime | None]:
    def due(time: datetime) -> datetime | None:
        ends = [
            after_term(max(found), ground.term)
            for ground in grounds
            if (found := reached(case, collection, ground, time))
        ]
        return min(ends, default=None)

    return due


def contracts_with(case: Case, reference: str | None) -> list[tuple[datetime, list[datetime]]]:
    """The start and the signs of the end of each contract with the person that covers data with this reference, or with none."""
    found = []
    for event in case.of("contract.signed", party="subject"):
        what = event["data"]
        if not same(what["reference"], reference):
            continue
        start = max(moment(event["time"]), moment(what.get("from", event["time"])))
        signs = [
            moment(e["time"])
            for e in case.of("contract.ended", reference=what["reference"])
            if moment(e["time"]) >= moment(event["time"])
        ]
        found.append((start, signs + ([moment(what["until"])] if what.get("until") else [])))
    return found


def contract_ends(case: Case, start: datetime, reference: str | None) -> tuple[list[datetime], list[Span]]:
    """The ends that count for a collection, and the spans in which contracts ran.

    Several signs of one end that count for this collection count once, as the earliest (Readings 1 and 16).
    """
    contracts = contracts_with(case, reference)
    counting = [[sign for sign in signs if sign >= start or reference is not None] for _, signs in contracts]
    ends = [min(signs) for signs in counting if signs]
    running: list[Span] = [(begun, min(signs, default=None)) for begun, signs in contracts]
    return ends, [*running, *((end, end) for end in ends)]  # An end that is no event is a moment to look at too.


TERMS = {
    ("klantinfocus", "forms"): ("forms", [Ground("KI-24", "P2Y", "contact", whole_person=True, also_contact=True)]),
    ("klantinfocus", "crm"): ("customers", [Ground("KI-17", "P0D", "no-longer-needed")]),
    ("klantinfocus", "recruitment"): ("applications", [Ground("KI-28", "P4W", "procedure.closed")]),
    ("resultfactory", "support-crm"): ("duck", [Ground("RF-08", "P3Y", "customer.departed", whole_person=True)]),
    ("kcm", "own-relations"): ("own", [Ground("KCM-15", "P1Y", "purpose.fulfilled")]),
    ("kcm", "registration"): ("registration", [Ground("KCM-16", "P0D", "registration.withdrawn", whole_person=True)]),
    ("directcode", "recruitment"): ("applications", [Ground("DC-14", "P0D", "procedure.closed")]),
    ("infactor", "relations"): ("relations", [Ground("IF-11", "P0D", "contract.not-concluded")]),
}


Overdue = tuple[datetime, datetime | None, frozenset[str]]


def grouped(spans: Iterable[tuple[str, Span]]) -> set[Overdue]:
    """One finding for what became overdue at the same moment: made good with the last of it, about what is still held."""
    groups: dict[datetime, list[tuple[str, datetime | None]]] = {}
    for id_, (since, until) in spans:
        groups.setdefault(since, []).append((id_, until))
    found = set()
    for since, members in groups.items():
        left = [id_ for id_, until in members if until is None]
        ends = [until for _, until in members if until is not None]
        found.add((since, None if left else max(ends), frozenset(left or (id_ for id_, _ in members))))
    return found


def overdue(organisation: str, activity: str, events: list[Event], now: datetime) -> set[Overdue]:
    """(since, until, collections) of what was held past its term, for activities with one client or none."""
    case = Case(events, now)
    dataset, grounds = TERMS[organisation, activity]
    return grouped(
        (collection["id"], span)
        for collection in case.of("data.collected", activity=activity)
        for span in overdue_spans(case, collection, due_of(case, collection, grounds), hold_spans(case, dataset))
    )


def newsletter(events: list[Event], now: datetime) -> set[Overdue]:
    """Addresses kept after the newsletter was stopped: due the next working day, unless consent was given anew."""
    case = Case(events, now)

    def due(collection: Event) -> Callable[[datetime], datetime | None]:
        def at(time: datetime) -> datetime | None:
            ended = stops(case, "newsletter", moment(collection["time"]), None, time)
            return None if ended is None else after_term(ended, "P0D")

        return at

    return grouped(
        (collection["id"], span)
        for collection in case.of("data.collected", activity="newsletter")
        for span in overdue_spans(case, collection, due(collection), hold_spans(case, "newsletter"))
    )


def relations(events: list[Event], now: datetime) -> set[Overdue]:
    """InFactor: due when no contract came of it, or when it ended; never while one is valid."""
    case = Case(events, now)

    def spans(collection: Event) -> list[Span]:
        start, reference = moment(collection["time"]), collection["data"].get("reference")
        ends, contracts = contract_ends(case, start, reference)
        asked = reached(case, collection, Ground("IF-11", "P0D", "contract.not-concluded"), now)

        def due(time: datetime) -> datetime | None:
            concluded = any(begin <= time for begin, _ in contracts)
            passed = [end for end in ends if end <= time]
            passed += [at for at in asked if at <= time and not concluded]
            return (
                after_p0d(max(passed))
                if passed and max(passed) in ends
                else after_term(max(passed), "P0D")
                if passed
                else None
            )

        return overdue_spans(case, collection, due, [*hold_spans(case, "relations"), *contracts])

    return grouped((row["id"], span) for row in case.of("data.collected", activity="relations") for span in spans(row))


def requests(
    events: list[Event], now: datetime, promised: str, promise: str, covering: str
) -> set[tuple[str, str, str, datetime, datetime | None]]:
    """(rule, request, severity, since, until) of every request for access that was not answered in time."""
    case = Case(events, now)
    found = set()
    for event in case.of("request.received"):
        received, reference = moment(event["time"]), event["data"]["reference"]
        after = [
            e for kind in ("answered", "refused", "forwarded") for e in case.of(f"request.{kind}", reference=reference)
        ]
        ended = min((moment(e["time"]) for e in after if moment(e["time"]) >= received), default=None)
        first = after_law(received, "P1M")
        in_time = [
            e
            for e in case.of("request.extended", reference=reference)
            if e["data"].get("informed_at") and moment(e["data"]["informed_at"]) < first[1]
        ]
        unrolled, rolled = after_law(received, "P3M") if in_time else first
        if promise:
            since = after_term(received, promise)
            if since <= now and (ended is None or ended >= since):
                found.add((promised, event["id"], "violation", since, ended))
        if rolled <= now and (ended is None or ended >= rolled):
            found.add((covering, event["id"], "violation", rolled, ended))
        elif unrolled <= now and (ended is None or ended >= unrolled):
            found.add((covering, event["id"], "risk", unrolled, ended))
    return found


def stopped(events: list[Event], now: datetime, purpose: str) -> set[tuple[str, datetime]]:
    """(use, its time) of every use for a purpose after consent for it was withdrawn or an objection raised."""
    case = Case(events, now)
    found = set()
    for use in case.of("data.used", purpose=purpose):
        at, open_ = moment(use["time"]), True
        for event in case.events:
            what = event["data"]
            when = moment(event["time"])
            if what.get("purpose") == purpose and same(what.get("client"), use["data"].get("client")):
                if event["type"] in {"pdl.consent.withdrawn.v1", "pdl.objection.raised.v1"} and when < at:
                    open_ = False
                if event["type"] == "pdl.consent.given.v1" and when <= at:
                    open_ = True
        if not open_:
            found.add((use["id"], at))
    return found


def parameter(case: Case, name: str, client: str, reference: str | None, time: datetime) -> str | None:
    """What a client set last, for all of its data or for this assignment."""
    said = [
        e["data"]["parameters"][name]
        for e in case.until_now("client.instructed", time, client=client, instruction="configure")
        if name in e["data"].get("parameters", {}) and e["data"].get("reference") in (None, reference)
    ]
    return said[-1] if said else None


@dataclass(frozen=True)
class Study:
    """One collection for a client, and what was asked of it."""

    case: Case
    collection: Event

    @property
    def client(self) -> str:
        return str(self.collection["data"]["client"])

    @property
    def reference(self) -> str | None:
        found: str | None = self.collection["data"].get("reference")
        return found

    def latest(self, milestone: str, time: datetime) -> datetime | None:
        return max(reached(self.case, self.collection, Ground("", "", milestone), time), default=None)

    def silent(self, time: datetime) -> bool:
        """Whether the person counts as a non-respondent."""
        class_ = None
        for event in self.case.events:
            what = event["data"]
            if moment(event["time"]) > time or what.get("client") != self.client:
                continue
            if event["type"] == "pdl.data.collected.v1":
                class_ = what["subject"].get("class", class_)
            if what.get("milestone") == "response.received":
                class_ = "respondent"
        awaited = self.latest("invitation.sent", time) and not self.latest("response.received", time)
        return class_ == "non-respondent" or bool(awaited)

    def executed(self, time: datetime) -> datetime | None:
        at = self.latest("assignment.executed", time)
        if at is None or self.silent(time):
            return None
        term = parameter(self.case, "retention", self.client, self.reference, at) or "P1M"
        day = local(at)
        bounded = min(max(later(day, term), later(day, "P1M")), later(day, "P12M"))
        return midnight(bounded + timedelta(days=1))

    def invited(self, time: datetime) -> datetime | None:
        at = self.latest("invitation.sent", time)
        if at is None or self.latest("response.received", time) or not self.silent(time):
            return None
        term = parameter(self.case, "non-respondent-retention", self.client, self.reference, at)
        return after_term(at, term or "P2M")

    def destroyed(self, time: datetime) -> datetime | None:
        orders = []
        for event in self.case.until_now("client.instructed", time, client=self.client, instruction="destroy"):
            at, reference = moment(event["time"]), event["data"].get("reference")
            same_one = reference is not None and reference == self.reference
            if same_one or (reference is None and at >= moment(self.collection["time"])):
                orders.append(at)
        return after_term(min(orders), "P0D") if orders else None


def research(events: list[Event], now: datetime) -> dict[str, set[Overdue]]:
    """KCM, for clients: a term after the assignment, two months for who did not answer, destruction when asked."""
    case = Case(events, now)
    holds = hold_spans(case, "assignment")
    found: dict[str, list[tuple[str, Span]]] = {"KCM-17": [], "KCM-18": [], "KCM-20": []}
    for row in case.of("data.collected", activity="client-research"):
        study = Study(case, row)
        for rule, due in (("KCM-17", study.executed), ("KCM-18", study.destroyed), ("KCM-20", study.invited)):
            found[rule] += [(row["id"], span) for span in overdue_spans(case, row, due, holds)]
    return {rule: grouped(rows) for rule, rows in found.items()}


def bookkeeping(events: list[Event], now: datetime, *, tax: bool) -> set[Overdue]:
    """DirectCoDe: seven years after the contract; tax records go on the working day after, the rest on the last day."""
    case = Case(events, now)

    def spans(collection: Event) -> list[Span]:
        start, reference = moment(collection["time"]), collection["data"].get("reference")
        ends, running = contract_ends(case, start, reference)

        def due(time: datetime) -> datetime | None:
            passed = [end for end in ends if end <= time]
            if not passed:
                return None
            last = later(local(max(passed)), "P7Y")
            return midnight((next_working(last) if tax else last) + timedelta(days=1))

        return overdue_spans(case, collection, due, [*hold_spans(case, "tax" if tax else "account"), *running])

    return grouped((row["id"], span) for row in case.of("data.collected", activity="customers") for span in spans(row))


def untold(events: list[Event], now: datetime) -> set[tuple[str, str, datetime, datetime | None]]:
    """(collection, severity, since, until): data of others that the person was not told of in time (Art. 14(3))."""
    case = Case(events, now)
    found = set()
    for collection in case.of("data.collected", origin="third-party"):
        start, category = moment(collection["time"]), collection["data"]["categories"][0]
        notices = [e for e in case.of("notice.given") if category in e["data"].get("about", [category])]
        told = min((moment(e["time"]) for e in notices if moment(e["time"]) >= start), default=None)
        shares = [e for e in case.of("data.shared") if category in e["data"]["categories"]]
        touched = [*case.of("data.used", operation="contact"), *shares]
        first = min((moment(e["time"]) for e in touched if moment(e["time"]) >= start), default=None)
        unrolled, rolled = after_law(start, "P1M")
        if first is not None and first < unrolled:
            if told is None or told > first:
                found.add((collection["id"], "violation", first, told))
        elif rolled <= now and (told is None or told >= rolled):
            found.add((collection["id"], "violation", rolled, told))
        elif unrolled <= now and (told is None or told >= unrolled):
            found.add((collection["id"], "risk", unrolled, told))
    return found


def uncalled_for(events: list[Event], now: datetime) -> set[str]:
    """The calls for which there was no request, in the month before, that no contact had used up."""
    case = Case(events, now)
    found = set()
    contacts = case.of("data.used", operation="contact")
    for call in (e for e in contacts if e["data"]["channel"] == "phone"):
        at = moment(call["time"])
        open_ = False
        for request in case.of("milestone.reached", milestone="contact.requested"):
            asked = moment(request["time"])
            if asked <= at < after_term(asked, "P1M"):
                used = [e for e in contacts if asked <= moment(e["time"]) < at and not unreachable(case, contacts, e)]
                open_ = open_ or not used
        if not open_:
            found.add(call["id"])
    return found


def unreachable(case: Case, contacts: list[Event], call: Event) -> bool:
    """Whether a call, before any other contact, was followed by the word that nobody answered."""
    if call["data"]["channel"] != "phone":
        return False
    start = moment(call["time"])
    after = min((moment(e["time"]) for e in contacts if moment(e["time"]) > start), default=case.now)
    return any(start <= moment(e["time"]) <= after for e in case.of("milestone.reached", milestone="phone.unreachable"))


EEA = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "HR",
        "CY",
        "CZ",
        "DK",
        "EE",
        "FI",
        "FR",
        "DE",
        "GR",
        "HU",
        "IE",
        "IT",
        "LV",
        "LT",
        "LU",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SK",
        "SI",
        "ES",
        "SE",
        "IS",
        "LI",
        "NO",
    ]
)
FINANCIAL = {"customer", "prospective-customer", "employee"}
ROWS = {
    "name": ("DC-06", {"contact", "contract", "complaint"}),
    "job-title": ("DC-06", {"contact", "contract"}),
    "company-name": ("DC-05", {"contract", "invoicing", "tax-retention"}),
    "email": ("DC-07", {"updates", "invoicing", "support", "contact", "complaint"}),
    "phone": ("DC-08", {"support", "contact", "complaint"}),
    "login": ("DC-09", {"access", "security"}),
    "ip-address": ("DC-10", {"login-overview", "security", "error-analysis"}),
    "bank-account": ("DC-11", {"tax-retention", "invoicing"}),
}
OF_DC_20 = {purpose for _, row in ROWS.values() for purpose in row}
CHECKED = {
    "resultfactory": {"RF-03", "RF-04", "RF-05", "RF-07", "RF-16"},
    "klantinfocus": {"KI-03", "KI-13", "KI-14", "KI-16", "KI-32"},
    "infactor": {"IF-02", "IF-03", "IF-04", "IF-05", "IF-06", "IF-20"},
    "directcode": {"DC-20", "DC-22", *(rule for rule, _ in ROWS.values())},
}


def broken(event: Event) -> set[str]:
    """The rules with lists that one act contradicts, of those in CHECKED."""
    data, collected = event["data"], event["type"] == "pdl.data.collected.v1"
    check = {"resultfactory": _duck, "klantinfocus": _crm, "infactor": _relations, "directcode": _customers}
    return {rule for rule, wrong in check[data["organisation"]](data, collected) if wrong}


def _duck(data: dict[str, Any], collected: bool) -> list[tuple[str, bool]]:
    inform = {"inform-newsletter", "inform-change", "inform-incident"}
    known = {"support"} | inform
    allowed = {"select", "contact"} | (set() if data.get("purpose") in inform else {"store", "consult"})
    six = {"name", "gender", "email", "postal-address", "visiting-address", "phone"}
    return [
        ("RF-03", data["system"] != "duck"),
        ("RF-04", bool(set(data["categories"]) - six)),
        ("RF-05", not collected and data["purpose"] not in known),
        ("RF-07", not collected and data["operation"] not in allowed),
        ("RF-16", data["actor"]["role"] != "support"),
    ]


def _crm(data: dict[str, Any], collected: bool) -> list[tuple[str, bool]]:
    listed = {"email", "phone", "name", "address", "bank-account", "public-profile"}
    return [
        ("KI-03", data["subject"].get("age") in {"under-16", "under-18"}),
        ("KI-13", bool(set(data["categories"]) - listed)),
        ("KI-14", not collected and data["purpose"] not in {"prior-contact", "invoicing"}),
        ("KI-16", data["basis"] not in {"contract", "legitimate-interest"}),
        ("KI-32", data["location"] not in EEA),
    ]


def _relations(data: dict[str, Any], collected: bool) -> list[tuple[str, bool]]:
    class_, categories = data["subject"].get("class"), set(data["categories"])
    return [
        ("IF-02", collected and data["origin"] not in {"subject", "service"}),
        (
            "IF-03",
            bool(categories - {"name", "address", "phone", "email", "financial", "account", "identity"}),
        ),
        ("IF-04", collected and "financial" in categories and class_ not in FINANCIAL),
        ("IF-05", collected and "account" in categories and class_ not in FINANCIAL),
        ("IF-06", collected and "identity" in categories and class_ not in {"employee", "former-employee"}),
        ("IF-20", data["system"] not in {"website", "office-server"}),
    ]


def _customers(data: dict[str, Any], collected: bool) -> list[tuple[str, bool]]:
    if collected:
        return []
    known = OF_DC_20 | {"functionality", "recruitment"}
    purpose = data["purpose"]
    rows = [(rule, purpose not in row) for category, (rule, row) in ROWS.items() if category in data["categories"]]
    return [*rows, ("DC-20", purpose not in known), ("DC-22", purpose not in known)]
