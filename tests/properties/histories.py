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


_subjects = _who.map(_subject)
_NEEDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "data.collected": st.fixed_dictionaries(
        {"categories": _categories, "origin": st.sampled_from(["subject", "public"]), "system": _system}
    ),
    "data.used": st.fixed_dictionaries(
        {"categories": _categories, "purpose": _purpose, "operation": st.just("contact"), "system": _system}
    ),
    "data.shared": st.fixed_dictionaries(
        {
            "categories": _categories,
            "purpose": _purpose,
            "recipient": st.sampled_from(["zivver", "stranger"]),
            "basis": st.just("contract"),
            "country": st.just("NL"),
        }
    ),
    "data.deleted": st.fixed_dictionaries({"categories": st.sampled_from([["*"], ["email"]]), "system": _system}),
    "data.rectified": st.just({"values": {"email": "x"}}),
    "consent.given": st.fixed_dictionaries({"purpose": _purpose, "method": st.just("box")}),
    "consent.withdrawn": st.fixed_dictionaries({"purpose": _purpose}),
    "objection.raised": st.fixed_dictionaries({"purpose": _purpose}),
    "request.received": st.fixed_dictionaries(
        {"right": st.sampled_from(["access", "erasure"]), "reference": st.just("req")}
    ),
    "request.answered": st.just({"outcome": "fulfilled", "reference": "req"}),
    "milestone.reached": st.fixed_dictionaries(
        {"milestone": st.sampled_from(["contact", "procedure.closed", "no-longer-needed", "moon.landed"])}
    ),
    "hold.placed": st.just({"statute": "AWR-52", "reference": "hold"}),
    "hold.released": st.just({"reference": "hold"}),
    "subject.linked": st.fixed_dictionaries({"other": _subjects}),
    "subject.unlinked": st.fixed_dictionaries({"other": _subjects}),
    "restriction.placed": st.just({}),
    "notice.given": st.just({"notice": {"id": "web"}}),
}
_kind = st.sampled_from([*["data.collected"] * 4, *_NEEDS])


@st.composite
def _about_a_person(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    kind = draw(_kind)
    subject = draw(_subjects)
    if kind == "data.collected":
        subject = subject | draw(st.sampled_from([{}, {}, {"class": "customer"}, {"also": [draw(_subjects)]}]))
    base = {"subject": subject, "activity": draw(_activity), "client": draw(_client), "reference": draw(_reference)}
    return kind, base | draw(_NEEDS[kind])


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
                ("source.reported", {"from": "2023-01-01", "to": "2024-12-31", "counts": {"data.collected": 1}}),
                (
                    "source.reported",
                    {
                        "from": "2023-06-01T12:00:00Z",
                        "to": "2026-01-01",
                        "counts": {"pdl.data.used.v1": 0, "data.shared": 1},
                    },
                ),
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
        number_of_source = {"sequence": number} if draw(st.booleans()) else {}
        body = {"organisation": organisation} | {name: value for name, value in data.items() if value is not None}
        if kind.split(".")[0] not in {"data", "consent"} and draw(st.booleans()):
            body.pop("activity", None)
        events.append(
            {
                "specversion": "1.0",
                "id": f"e-{number}",
                "source": draw(st.sampled_from(["/a", "/b"])),
                "type": f"pdl.{kind}.v1",
                "time": time.isoformat(),
                "data": body,
            }
            | number_of_source
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
