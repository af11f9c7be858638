"""Random histories of two organisations: what services report, in any order, with links, retractions and late facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

PEOPLE = ("ada@example.org", "bo@example.org", "0612345678")
START = datetime(2023, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=1300)


def _subject(number: int) -> dict[str, Any]:
    value = PEOPLE[number]
    return {"scheme": "email" if "@" in value else "phone", "value": value}


_who = st.integers(0, len(PEOPLE) - 1)
_client = st.sampled_from([None, None, "client-a", "client-b"])
_reference = st.sampled_from([None, "ref-1", "ref-2"])
_system = st.sampled_from([None, "crm", "govmetric"])
_activity = st.sampled_from(["forms", "newsletter", "crm", "feedback", "raffle"])
_categories = st.lists(st.sampled_from(["email", "name", "phone", "shoe-size"]), min_size=1, max_size=2, unique=True)
_purpose = st.sampled_from(["newsletter", "answer-question", "report-satisfaction", "gossip"])


@st.composite
def _about_a_person(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    who = draw(_who)
    base: dict[str, Any] = {
        "subject": _subject(who),
        "activity": draw(_activity),
        "client": draw(_client),
        "reference": draw(_reference),
    }
    kind = draw(
        st.sampled_from(
            ["data.collected"] * 4
            + [
                "data.used",
                "data.used",
                "data.shared",
                "data.deleted",
                "data.rectified",
                "consent.given",
                "consent.withdrawn",
                "objection.raised",
            ]
            + [
                "request.received",
                "request.answered",
                "milestone.reached",
                "hold.placed",
                "hold.released",
                "subject.linked",
                "subject.unlinked",
            ]
            + ["restriction.placed", "notice.given"]
        )
    )
    more: dict[str, Any] = {}
    if kind == "data.collected":
        base["subject"] |= draw(st.sampled_from([{}, {}, {"class": "customer"}, {"also": [_subject(draw(_who))]}]))
        more = {
            "categories": draw(_categories),
            "origin": draw(st.sampled_from(["subject", "public"])),
            "system": draw(_system),
        }
    elif kind == "data.used":
        more = {
            "categories": draw(_categories),
            "purpose": draw(_purpose),
            "operation": "contact",
            "system": draw(_system),
        }
    elif kind == "data.shared":
        recipient = draw(st.sampled_from(["zivver", "stranger"]))
        more = {
            "categories": draw(_categories),
            "purpose": draw(_purpose),
            "recipient": recipient,
            "basis": "contract",
            "country": "NL",
        }
    elif kind == "data.deleted":
        more = {"categories": draw(st.sampled_from([["*"], ["email"]])), "system": draw(_system)}
    elif kind == "data.rectified":
        more = {"values": {"email": "x"}}
    elif kind == "consent.given":
        more = {"purpose": draw(_purpose), "method": "box"}
    elif kind in {"consent.withdrawn", "objection.raised"}:
        more = {"purpose": draw(_purpose)}
    elif kind == "request.received":
        more = {"right": draw(st.sampled_from(["access", "erasure"])), "reference": "req"}
    elif kind == "request.answered":
        more = {"outcome": "fulfilled", "reference": "req"}
    elif kind == "milestone.reached":
        more = {"milestone": draw(st.sampled_from(["contact", "procedure.closed", "no-longer-needed", "moon.landed"]))}
    elif kind == "hold.placed":
        more = {"statute": "AWR-52", "reference": "hold"}
    elif kind == "hold.released":
        more = {"reference": "hold"}
    elif kind in {"subject.linked", "subject.unlinked"}:
        more = {"other": _subject(draw(_who))}
    elif kind == "notice.given":
        more = {"notice": {"id": "web"}}
    return kind, base | more


@st.composite
def _about_the_organisation(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    return draw(
        st.sampled_from(
            [
                ("contract.signed", {"reference": "dpa", "party": "zivver", "kind": "processor", "from": "2023-02-01"}),
                ("contract.ended", {"reference": "dpa"}),
                (
                    "client.instructed",
                    {"client": "client-a", "instruction": "configure", "parameters": {"retention": "P6M"}},
                ),
                ("warranty.given", {"client": "client-a", "parts": ["consent-given"]}),
                ("processor.engaged", {"recipient": "zivver", "services": ["secure-mail"], "country": "NL"}),
                ("milestone.reached", {"milestone": "procedure.closed", "client": "client-a"}),
                ("hold.placed", {"statute": "AWR-52", "reference": "hold"}),
                ("hold.released", {"reference": "hold"}),
                ("control.executed", {"control": "external-audit"}),
                ("breach.detected", {"reference": "b-1"}),
            ]
        )
    )


@st.composite
def histories(draw: st.DrawFn, max_size: int = 14) -> list[dict[str, Any]]:
    """Up to `max_size` events as services send them, in the order of their arrival."""
    drawn = draw(
        st.lists(
            st.one_of(_about_a_person(), _about_a_person(), _about_a_person(), _about_the_organisation()),
            min_size=1,
            max_size=max_size,
        )
    )
    events: list[dict[str, Any]] = []
    for number, (kind, data) in enumerate(drawn):
        time = START + timedelta(days=draw(st.integers(0, 1400)), hours=draw(st.integers(0, 30)))
        organisation = draw(st.sampled_from(["klantinfocus"] * 4 + ["kcm"]))
        body = {"organisation": organisation} | {name: value for name, value in data.items() if value is not None}
        if kind.split(".")[0] not in {"data", "consent"}:
            body.pop("activity", None) if draw(st.booleans()) else None
        events.append(
            {
                "specversion": "1.0",
                "id": f"e-{number}",
                "source": draw(st.sampled_from(["/a", "/b"])),
                "type": f"pdl.{kind}.v1",
                "time": time.isoformat(),
                "data": body,
            }
        )
    retracted = draw(st.lists(st.integers(0, len(events) + 2), max_size=2))
    for number, target in enumerate(retracted):
        events.append(_retraction(number, events[target] if target < len(events) else None, draw(st.booleans())))
    return draw(st.permutations(events))


def _retraction(number: int, target: dict[str, Any] | None, with_subject: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"organisation": "klantinfocus", "source": "/a", "id": "nowhere", "reason": "never-happened"}
    if target is not None:
        data |= {"organisation": target["data"]["organisation"], "source": target["source"], "id": target["id"]}
        if with_subject and "subject" in target["data"]:
            data["subject"] = {name: target["data"]["subject"][name] for name in ("scheme", "value")}
    return {
        "specversion": "1.0",
        "id": f"r-{number}",
        "source": "/a",
        "type": "pdl.fact.retracted.v1",
        "time": (NOW - timedelta(days=30 - number)).isoformat(),
        "data": data,
    }
