"""The judge against a second, naive one: the same findings on random histories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties import naive_judge as naive
from tests.unit.policy.cases import fact, judged

HELD: dict[tuple[str, str], tuple[list[str], list[str]]] = {
    ("klantinfocus", "forms"): (["name", "email", "message"], ["contact"]),
    ("klantinfocus", "crm"): (["name", "email", "address"], ["no-longer-needed"]),
    ("klantinfocus", "recruitment"): (["name", "email", "interview-notes"], ["procedure.closed"]),
    ("resultfactory", "support-crm"): (["name", "email", "phone"], ["customer.departed"]),
    ("kcm", "own-relations"): (["name", "email", "audio"], ["purpose.fulfilled"]),
    ("kcm", "registration"): (["name", "email", "phone"], ["registration.withdrawn"]),
    ("directcode", "recruitment"): (["cv", "email", "portfolio"], ["procedure.closed"]),
    ("infactor", "relations"): (["name", "email", "phone"], ["contract.not-concluded"]),
}
FIRST = datetime(2023, 1, 1, tzinfo=UTC)
NOW = datetime(2027, 6, 15, 10, tzinfo=UTC)
LATER = datetime(2041, 6, 15, 10, tzinfo=UTC)
HOURS = st.sampled_from([0, 8, 8, 8, 21, 22, 23])
DAYS = st.one_of(st.integers(0, 1600), st.sampled_from([(datetime(y, m, d, tzinfo=UTC) - FIRST).days for y, m, d in [
    (2024, 2, 29), (2024, 12, 31), (2025, 1, 31), (2025, 3, 30), (2025, 4, 17), (2025, 10, 26), (2026, 4, 3), (2026, 5, 1), (2026, 12, 24)]]))  # fmt: skip
TIMES = st.builds(lambda days, hours: FIRST + timedelta(days=days, hours=hours), DAYS, HOURS)
SYSTEM = st.sampled_from([None, "s-1", "s-1", "s-2"])
REFERENCE = st.sampled_from([None, None, "r-1", "r-2"])


@st.composite
def pasts(draw: st.DrawFn, organisation: str, activity: str) -> list[dict[str, Any]]:
    """One person: collections, uses, milestones, deletions and holds, at odd hours."""
    categories, milestones = HELD[organisation, activity]
    some = st.lists(st.sampled_from(categories), min_size=1, max_size=3, unique=True)
    events = []
    for number in range(draw(st.integers(1, 9))):
        kind = draw(
            st.sampled_from(
                [
                    "data.collected",
                    "data.collected",
                    "milestone.reached",
                    "milestone.reached",
                    "data.used",
                    "data.deleted",
                    "hold.placed",
                    "hold.released",
                ]
            )
        )
        if number == 0:
            kind = "data.collected"
        data: dict[str, Any] = {"organisation": organisation, "subject": {"scheme": "customer-number", "value": "c-1"}}
        if kind.startswith("data."):
            data |= {
                "activity": activity,
                "categories": draw(some),
                "system": draw(SYSTEM),
                "reference": draw(REFERENCE),
            }
        if kind == "data.collected":
            data |= {"origin": "subject", "notice": {"id": "n"}}
        elif kind == "data.used":
            data |= {"purpose": "contact", "operation": draw(st.sampled_from(["consult", "contact"]))}
        elif kind == "data.deleted":
            data |= {"categories": draw(st.one_of(st.just(["*"]), some))}
        elif kind == "milestone.reached":
            data |= {"milestone": draw(st.sampled_from(milestones)), "reference": draw(REFERENCE)}
        elif kind == "hold.placed":
            data |= {"statute": "AWR-52", "reference": draw(st.sampled_from(["h-1", "h-2"]))}
            if draw(st.booleans()):
                data |= {"until": draw(TIMES).isoformat()}
        elif kind == "hold.released":
            data |= {"reference": draw(st.sampled_from(["h-1", "h-2"]))}
        events.append(_event(number, kind, draw(TIMES), data))
    return events


def _event(number: int, kind: str, time: datetime, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/naive",
        "type": f"pdl.{kind}.v1",
        "time": time.isoformat(),
        "data": {name: value for name, value in data.items() if value is not None},
    }


def _findings(organisation: str, events: list[dict[str, Any]], now: datetime = NOW) -> list[dict[str, Any]]:
    return judged(organisation, [fact(event) for event in events], now.isoformat())


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _overdue(findings: list[dict[str, Any]], rule: str, events: list[dict[str, Any]]) -> set[naive.Overdue]:
    """What the first judge told of a rule: joined by the moment, whatever set the term."""
    case = naive.Case(events, LATER)
    collected = {event["id"]: event for event in case.of("data.collected")}
    return naive.grouped(
        (id_, (since, _moment(finding["until"])))
        for finding in findings
        if rule in {finding["rule"], *finding["also"]} and finding["code"] == "overdue"
        for since in [datetime.fromisoformat(finding["since"])]
        for id_ in finding["about"]
        if id_ in collected and any(naive.holders(case, collected[id_], since).values())  # Not what only set the term.
    )


@pytest.mark.parametrize(("organisation", "activity"), HELD)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_both_judges_find_the_same_data_overdue(organisation: str, activity: str, data: st.DataObject) -> None:
    events = data.draw(pasts(organisation, activity))
    rule = naive.TERMS[organisation, activity][1][0].rule
    found = _overdue(_findings(organisation, events), rule, events)
    assert found == naive.overdue(organisation, activity, events, NOW)


@st.composite
def readers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Someone who takes a newsletter, stops it, and takes it again."""
    kinds = [
        "data.collected",
        "consent.given",
        "consent.withdrawn",
        "objection.raised",
        "consent.refused",
        "data.deleted",
        "hold.placed",
        "hold.released",
    ]
    events = []
    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(kinds)) if number else "data.collected"
        data: dict[str, Any] = {"organisation": "klantinfocus", "subject": {"scheme": "email", "value": "c-1"}}
        if kind.startswith("data."):
            data |= {"activity": "newsletter", "categories": ["email"], "system": draw(SYSTEM)}
        if kind == "data.collected":
            data |= {"origin": "subject", "notice": {"id": "n"}}
        if kind.startswith(("consent.", "objection.")):
            data |= {"purpose": "newsletter", "method": "box", "evidence": "x"}
        if kind.startswith("hold."):
            data |= {"statute": "AWR-52", "reference": "h-1"}
        events.append(_event(number, kind, draw(TIMES), data))
    return events


@given(readers())
@settings(max_examples=80, deadline=None)
def test_both_judges_see_when_a_stopped_newsletter_keeps_the_address(events: list[dict[str, Any]]) -> None:
    assert _overdue(_findings("klantinfocus", events), "KI-20", events) == naive.newsletter(events, NOW)


@st.composite
def dealings(
    draw: st.DrawFn, organisation: str = "infactor", activity: str = "relations", category: str = "name"
) -> list[dict[str, Any]]:
    """Someone with contracts that begin, end by notice or by date, or never come about."""
    kinds = [
        "data.collected",
        "contract.signed",
        "contract.signed",
        "contract.ended",
        "milestone.reached",
        "data.deleted",
        "hold.placed",
        "hold.released",
    ]
    events = []
    signed: dict[str, datetime] = {}
    for number in range(draw(st.integers(1, 9))):
        kind = draw(st.sampled_from(kinds)) if number else "data.collected"
        time = draw(TIMES)
        data: dict[str, Any] = {"organisation": organisation, "subject": {"scheme": "email", "value": "c-1"}}
        if kind.startswith("data."):
            data |= {
                "activity": activity,
                "categories": [category],
                "system": draw(SYSTEM),
                "reference": draw(REFERENCE),
            }
        if kind == "data.collected":
            data |= {"origin": "subject", "notice": {"id": "n"}}
        if kind == "data.deleted":
            data |= {"categories": ["*"]}
        if kind == "contract.signed":
            left = sorted({"r-1", "r-2"} - signed.keys())
            if not left:
                continue
            data |= {"reference": draw(st.sampled_from(left)), "party": "subject", "kind": "assignment"}
            time = signed[data["reference"]] = draw(TIMES)
            begins = max(time, time + timedelta(days=draw(st.integers(-20, 20))))
            data |= {"from": begins.isoformat()}
            if draw(st.booleans()):
                data |= {"until": (begins + timedelta(days=draw(st.integers(1, 900)))).isoformat()}
        if kind == "contract.ended":
            if not signed:
                continue
            data |= {"reference": draw(st.sampled_from(sorted(signed)))}
            time = signed[data["reference"]] + timedelta(days=draw(st.integers(21, 900)))
        if kind == "milestone.reached":
            data |= {"milestone": "contract.not-concluded", "reference": draw(REFERENCE)}
        if kind.startswith("hold."):
            data |= {"statute": "AWR-52", "reference": "h-1"}
        events.append(_event(number, kind, time, data))
    return events


@given(dealings())
@settings(max_examples=80, deadline=None)
def test_both_judges_see_what_outlives_a_contract(events: list[dict[str, Any]]) -> None:
    found = _overdue(_findings("infactor", events), "IF-10", events)
    assert found == naive.relations(events, NOW)


DELAYS = st.sampled_from([1, 6, 7, 8, 9, 20, *range(27, 35), 60, *range(88, 96), 120])


def _after(moment: datetime, days: int, hours: int) -> datetime:
    return moment + timedelta(days=days, hours=hours)


@st.composite
def askings(draw: st.DrawFn, organisation: str) -> list[dict[str, Any]]:
    """Requests for access, extended, refused, answered, at odd days."""
    events = []
    for number in range(draw(st.integers(1, 2))):
        received = draw(TIMES)
        base = {
            "organisation": organisation,
            "subject": {"scheme": "email", "value": "c-1"},
            "reference": f"q-{number}",
        }
        events.append(_event(number * 10, "request.received", received, base | {"right": "access", "channel": "email"}))
        after = st.builds(_after, st.just(received), DELAYS, st.integers(0, 23))
        if draw(st.booleans()):
            informed = draw(st.one_of(st.none(), after))
            data = base | {"reason": "complex", "informed_at": informed and informed.isoformat()}
            events.append(_event(number * 10 + 1, "request.extended", draw(after), data))
        if draw(st.booleans()):
            events.append(_event(number * 10 + 2, "request.answered", draw(after), base | {"outcome": "fulfilled"}))
    return events


CLOCKS = [
    ("resultfactory", "", "", "GDPR-12(3)"),
    ("infactor", "IF-19", "P7D", "IF-18"),
    ("directcode", "", "", "GDPR-12(3)"),
]


@pytest.mark.parametrize(("organisation", "promised", "promise", "covering"), CLOCKS)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_both_judges_run_the_same_clocks(
    organisation: str, promised: str, promise: str, covering: str, data: st.DataObject
) -> None:
    events = data.draw(askings(organisation))
    found = {
        (
            finding["rule"],
            finding["about"][0],
            finding["severity"],
            _moment(finding["since"]),
            _moment(finding["until"]),
        )
        for finding in _findings(organisation, events)
        if finding["rule"] in {promised, covering}
    }
    assert found == naive.requests(events, NOW, promised, promise, covering)


@st.composite
def mailings(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Uses for two purposes among consents and their ends, for two clients."""
    events = []
    for number in range(draw(st.integers(2, 9))):
        kind = draw(
            st.sampled_from(["data.used", "data.used", "consent.given", "consent.withdrawn", "objection.raised"])
        )
        data: dict[str, Any] = {"organisation": "resultfactory", "subject": {"scheme": "email", "value": "c-1"}}
        data |= {
            "purpose": draw(st.sampled_from(["inform-newsletter", "inform-change"])),
            "client": draw(st.sampled_from([None, None, "k-1", "k-2"])),
        }
        if kind == "data.used":
            data |= {
                "activity": "support-crm",
                "operation": "select",
                "categories": ["email"],
                "basis": draw(st.sampled_from([None, "consent", "contract"])),
            }
        if kind == "consent.given":
            data |= {"method": "box"}
        events.append(_event(number, kind, draw(TIMES), data))
    return events


@given(mailings())
@settings(max_examples=80, deadline=None)
def test_both_judges_see_what_was_used_after_a_stop(events: list[dict[str, Any]]) -> None:
    found = {
        (finding["about"][0], _moment(finding["since"]))
        for finding in _findings("resultfactory", events)
        if finding["rule"] in {"GDPR-7(3)", "GDPR-21(3)"}
    }
    assert found == naive.stopped(events, NOW, "inform-newsletter") | naive.stopped(events, NOW, "inform-change")


@st.composite
def studies(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Research for two clients: invited, answered, executed, configured, destroyed."""
    kinds = [
        "data.collected",
        "milestone.reached",
        "milestone.reached",
        "client.instructed",
        "client.instructed",
        "data.deleted",
        "hold.placed",
        "hold.released",
    ]
    events: list[dict[str, Any]] = []
    first = draw(TIMES)
    for number in range(draw(st.integers(3, 11))):
        kind = draw(st.sampled_from(kinds)) if number else "data.collected"
        client = draw(st.sampled_from(["k-1"] * 6 + ["k-2"]))
        reference = draw(st.sampled_from([None] * 4 + ["as-1", "as-2"]))
        data: dict[str, Any] = {"organisation": "kcm", "subject": {"scheme": "email", "value": "c-1"}, "client": client}
        if kind.startswith("data."):
            data |= {"activity": "client-research", "categories": ["name"], "reference": reference}
        if kind == "data.collected":
            data["subject"] |= {"class": draw(st.sampled_from(["respondent", "non-respondent"]))}
            data |= {"origin": "subject"}
        if kind == "milestone.reached":
            data |= {"reference": reference}
            data |= {
                "milestone": draw(st.sampled_from(["invitation.sent", "response.received", "assignment.executed"]))
            }
        if kind == "client.instructed":
            del data["subject"]
            data |= {
                "instruction": draw(st.sampled_from(["configure", "configure", "destroy"])),
                "country": "NL",
                "reference": reference,
            }
            if data["instruction"] == "configure":
                names = st.sampled_from(["retention", "non-respondent-retention"])
                data |= {
                    "parameters": {draw(names): draw(st.sampled_from(["P1M", "P3M", "P12M", "P13M", "P2W", "P1Y"]))}
                }
        if kind.startswith("hold."):
            del data["client"]
            data |= {"statute": "AWR-52", "reference": "h-1"}
        time = first + timedelta(days=draw(st.integers(-40, 700))) if number else first
        events.append(_event(number, kind, time, data))
    return events


@pytest.mark.parametrize("rule", ["KCM-17", "KCM-18", "KCM-20"])
@given(events=studies())
@settings(max_examples=60, deadline=None)
def test_both_judges_see_what_outlives_an_assignment(rule: str, events: list[dict[str, Any]]) -> None:
    assert _overdue(_findings("kcm", events), rule, events) == naive.research(events, NOW)[rule]


@pytest.mark.parametrize(("rule", "category"), [("DC-02", "bank-account"), ("DC-04", "name")])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_both_judges_see_what_outlives_the_seven_years(rule: str, category: str, data: st.DataObject) -> None:
    events = data.draw(dealings("directcode", "customers", category))
    found = _overdue(_findings("directcode", events, LATER), rule, events)
    assert found == naive.bookkeeping(events, LATER, tax=rule == "DC-02")


@st.composite
def hearsay(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Data obtained from others, used, shared, and told of."""
    first = draw(TIMES)
    events = []
    for number in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["data.collected", "data.used", "data.shared", "notice.given", "notice.given"]))
        kind = kind if number else "data.collected"
        data: dict[str, Any] = {"organisation": "infactor", "subject": {"scheme": "email", "value": "c-1"}}
        if kind.startswith("data."):
            data |= {"activity": "relations", "categories": [draw(st.sampled_from(["name", "email"]))]}
        if kind == "data.collected":
            data |= {"origin": draw(st.sampled_from(["third-party", "third-party", "subject"]))}
        elif kind == "data.used":
            data |= {"purpose": "contact", "operation": draw(st.sampled_from(["contact", "consult"]))}
        elif kind == "data.shared":
            data |= {"purpose": "contract", "recipient": "court", "basis": "legal-obligation", "country": "NL"}
        else:
            data |= {"notice": {"id": "n"}, "about": draw(st.sampled_from([None, ["name"], ["email"]]))}
        events.append(
            _event(number, kind, _after(first, draw(DELAYS) - 1 if number else 0, draw(st.integers(0, 23))), data)
        )
    return events


@given(hearsay())
@settings(max_examples=100, deadline=None)
def test_both_judges_know_who_was_not_told(events: list[dict[str, Any]]) -> None:
    found = {
        (finding["about"][0], finding["severity"], _moment(finding["since"]), _moment(finding["until"]))
        for finding in _findings("infactor", events)
        if finding["rule"] == "GDPR-14(3)"
    }
    assert found == naive.untold(events, NOW)


@st.composite
def callings(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Someone asks to be called, and is called, written to, or out of reach."""
    events = []
    hours = draw(st.lists(st.integers(0, 24 * 70), min_size=1, max_size=8, unique=True))
    for number, hour in enumerate(hours):
        kind = draw(st.sampled_from(["contact.requested", "phone.unreachable", "phone", "phone", "email"]))
        data: dict[str, Any] = {"organisation": "infactor", "subject": {"scheme": "email", "value": "c-1"}}
        if "." in kind:
            events.append(
                _event(number, "milestone.reached", FIRST + timedelta(hours=hour), data | {"milestone": kind})
            )
            continue
        data |= {
            "activity": "relations",
            "purpose": "contact",
            "operation": "contact",
            "categories": ["name"],
            "channel": kind,
        }
        events.append(_event(number, "data.used", FIRST + timedelta(hours=hour), data))
    return events


@given(callings())
@settings(max_examples=150, deadline=None)
def test_both_judges_know_which_call_nobody_asked_for(events: list[dict[str, Any]]) -> None:
    found = {finding["about"][0] for finding in _findings("infactor", events) if finding["rule"] == "IF-07"}
    assert found == naive.uncalled_for(events, NOW)


ACTS: dict[str, dict[str, list[Any]]] = {
    "resultfactory": {
        "activity": ["support-crm"],
        "categories": ["name", "gender", "email", "phone", "birth-date", "bank-account"],
        "purpose": ["support", "inform-newsletter", "inform-incident", "resale"],
        "operation": ["store", "consult", "select", "contact", "report", "profile", "analyse", "enrich", "decide"],
        "system": ["duck", "sheet"],
        "role": ["support", "sales"],
        "basis": ["contract"],
    },
    "klantinfocus": {
        "activity": ["crm"],
        "categories": ["name", "email", "address", "bank-account", "birth-date"],
        "purpose": ["prior-contact", "invoicing", "recruitment", "resale"],
        "basis": ["contract", "legitimate-interest", "public-task", "legal-obligation", "vital-interest"],
        "location": ["NL", "NO", "GB", "US", "LI", "CH"],
        "system": ["crm"],
        "age": ["adult", "under-16", "under-18"],
        "class": ["customer", "prospect"],
        "role": ["account-manager"],
    },
    "infactor": {
        "activity": ["relations"],
        "categories": ["name", "email", "financial", "account", "identity", "birth-date"],
        "class": ["enquirer", "customer", "prospective-customer", "representative", "employee", "former-employee"],
        "origin": ["subject", "service", "third-party", "public"],
        "system": ["website", "office-server", "sheet"],
        "purpose": ["contract"],
        "basis": ["contract"],
        "role": ["staff"],
    },
    "directcode": {
        "activity": ["customers"],
        "categories": list(naive.ROWS),
        "purpose": [*sorted(naive.OF_DC_20), "recruitment", "functionality", "resale"],
        "system": ["panel"],
        "basis": ["contract"],
        "role": ["staff"],
    },
}


@st.composite
def acts(draw: st.DrawFn, organisation: str) -> dict[str, Any]:
    """One act, with anything in its fields."""
    drawn = {name: draw(st.sampled_from(values)) for name, values in ACTS[organisation].items() if name != "categories"}
    some = st.lists(st.sampled_from(ACTS[organisation]["categories"]), min_size=1, max_size=3, unique=True)
    kind = draw(st.sampled_from(["data.collected", "data.used"]))
    subject = {"scheme": "email", "value": "c-1"} | {
        name: drawn.pop(name) for name in ("class", "age") if name in drawn
    }
    data = {"organisation": organisation, "subject": subject, "actor": {"role": drawn.pop("role")}} | drawn
    data |= {"categories": draw(some)}
    if kind == "data.collected":
        data |= {"origin": data.get("origin", "subject"), "notice": {"id": "n"}}
        data.pop("purpose"), data.pop("operation", None)
    else:
        data |= {"operation": data.get("operation", "consult")}
    return _event(0, kind, datetime(2026, 2, 3, 9, tzinfo=UTC), data)


@pytest.mark.parametrize("organisation", ACTS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_both_judges_know_the_same_lists(organisation: str, data: st.DataObject) -> None:
    event = data.draw(acts(organisation))
    found = {rule for finding in _findings(organisation, [event]) for rule in (finding["rule"], *finding["also"])}
    assert found & naive.CHECKED[organisation] == naive.broken(event)
