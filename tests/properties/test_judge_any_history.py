"""Whatever is recorded can be judged: any fields, any dates, any order."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.events import BY_WIRE
from ledger.domain.facts import Fact
from ledger.policy.findings import CODES, at, row
from ledger.policy.judge import judge, retention_status
from ledger.policy.packs import builtin_ids, load_pack
from ledger.policy.timeline import Organisation, by_time, grouped, without_retracted

MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis adds the zone
DATES = st.sampled_from(
    [None, "2026-02-30", "0001-01-01", "9999-12-31", "2026-03-01", "2026-03-01T12:00:00+01:00", "never"]
)
REFERENCES = st.sampled_from([None, "r1", "r2"])
CLIENTS = st.sampled_from([None, "c1", "~0123456789abcdef"])


@st.composite
def facts(draw: st.DrawFn, organisation: str) -> Fact:
    pack = load_pack(organisation)

    def some(space: str) -> str | None:
        return draw(st.sampled_from([None, "~ffff", *sorted(pack.known(space))]))

    def several(space: str) -> tuple[str, ...]:
        return tuple(draw(st.lists(st.sampled_from(["*", "~ffff", *sorted(pack.known(space))]), max_size=4)))

    return Fact(
        type=draw(st.sampled_from(sorted(BY_WIRE))),
        id=draw(st.uuids()).hex,
        source=draw(st.sampled_from(["/a", "/b"])),
        time=draw(
            MOMENTS | st.just(datetime(2026, 1, 12, 9, tzinfo=UTC)) | st.just(datetime(2026, 3, 29, 0, 30, tzinfo=UTC))
        ),
        organisation=organisation,
        sequence=draw(st.none() | st.integers(0, 9)),
        person=draw(st.sampled_from([None, "p", "q"])),
        also=draw(st.sampled_from([(), ("q",), ("nobody",)])),
        fenced=draw(st.integers(0, 20)) == 0,
        class_=some("class"),
        age=draw(st.sampled_from([None, "under-16", "adult"])),
        activity=some("activity"),
        client=draw(CLIENTS),
        role=some("role"),
        system=some("system"),
        location=draw(st.sampled_from([None, "NL", "US", "GB"])),
        reference=draw(REFERENCES),
        channel=some("channel"),
        categories=several("category"),
        purpose=some("purpose"),
        purposes=several("purpose"),
        operation=draw(st.sampled_from([None, "store", "contact", "report"])),
        basis=draw(st.sampled_from([None, "consent", "contract", "legal-obligation"])),
        origin=draw(st.sampled_from([None, "subject", "third-party", "public"])),
        attempts=draw(st.none() | st.integers(0, 5)),
        notice=draw(st.sampled_from([None, "statement"])),
        notice_at=draw(DATES),
        recipient=some("recipient"),
        recipients=several("recipient"),
        country=draw(st.sampled_from([None, "NL", "US", "CA", "XX"])),
        contract=draw(REFERENCES),
        transfer_tool=draw(st.sampled_from([None, "adequacy", "scc"])),
        how=draw(st.sampled_from([None, "anonymised"])),
        evidence=draw(st.sampled_from([None, "given"])),
        until=draw(DATES),
        outcome=draw(st.sampled_from([None, "fulfilled", "partly", "delivered"])),
        ground=draw(st.sampled_from([None, "claims", "accuracy"])),
        right=draw(st.sampled_from([None, "access", "erasure", "objection"])),
        informed_at=draw(DATES),
        remedy_named=draw(st.sampled_from([None, True, False])),
        about=several("duty"),
        milestone=some("milestone"),
        datasets=several("dataset"),
        statute=some("statute"),
        decision=draw(st.sampled_from([None, "not-needed"])),
        party=draw(st.sampled_from([None, "subject", "c1"])),
        kind=draw(st.sampled_from([None, "processor"])),
        from_=draw(DATES),
        announced_at=draw(DATES),
        instruction=draw(st.sampled_from([None, "configure", "destroy"])),
        parameters=draw(
            st.sampled_from([None, {}, {"retention": "P6M"}, {"retention": ["P6M"]}, {"retention": "P999999999Y"}])
        ),
        parts=draw(st.sampled_from([(), ("consent-given",)])),
        control=some("control"),
        aware_at=draw(DATES),
        notification=draw(REFERENCES),
        other=draw(st.sampled_from([None, "q"])),
        retracts_source=draw(st.sampled_from([None, "/a"])),
        retracts_id=draw(st.none() | st.uuids().map(lambda id_: id_.hex)),
        counts=draw(st.sampled_from([None, {"pdl.data.used.v1": 3}])),
    )


@given(st.data(), st.sampled_from(builtin_ids()))
@settings(max_examples=60, deadline=None)
def test_any_history_can_be_judged(data: st.DataObject, organisation: str) -> None:
    pack = load_pack(organisation)
    history = data.draw(st.lists(facts(organisation), max_size=12))
    found = judge(pack, history)
    ids = {fact.id for fact in history}
    for finding in found:
        shown = row(finding)
        assert finding.code in CODES
        assert finding.about
        assert ids.issuperset(finding.about)
        assert finding.rule not in finding.also
        assert finding.until is None or finding.until >= finding.since
        assert "~" not in shown["message"]["nl"] + shown["message"]["en"]
        assert finding.rule in pack.rules or finding.rule in pack.law.articles
    assert len(at(found, datetime(2199, 1, 1, tzinfo=UTC))) <= len(found)
    live = without_retracted(history)
    for mine in grouped(sorted(live, key=by_time)).values():
        retention_status(pack, mine, Organisation([fact for fact in live if fact.person is None], first=live[0]))
