"""The demo's year: plausible, complete, the same for the same seed, and nobody in it is real."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter, defaultdict
from datetime import date, datetime

import msgspec
import orjson
import pytest

from consumers.demo.year import DUPLICATE, RECORDED, Message, Year
from ledger.domain.envelope import Envelope, Unrecordable, decode
from ledger.domain.events import BY_WIRE

END = date(2026, 11, 1)
BEYOND_DECODING = {"unknown-organisation", "conflicting-duplicate"}


@pytest.fixture(scope="module")
def year() -> Year:
    return Year(end=END)


@pytest.fixture(scope="module")
def messages(year: Year) -> list[Message]:
    return list(year)


@pytest.fixture(scope="module")
def events(messages: list[Message]) -> list[Envelope]:
    found = [decode(message.body) for message in messages if message.expect == RECORDED]
    refused = [one for one in found if isinstance(one, Unrecordable)]
    assert not refused, refused[:3]
    return [one for one in found if isinstance(one, Envelope)]


def small(**changes: object) -> Year:
    return Year(**({"people": 120, "end": END} | changes))  # type: ignore[arg-type]


def test_the_same_seed_tells_the_same_year_byte_for_byte() -> None:
    assert list(small()) == list(small())


def test_another_seed_tells_another_year() -> None:
    assert [one.body for one in small(seed=1)] != [one.body for one in small(seed=2)]


def test_a_year_has_at_least_fifty_thousand_events_and_two_thousand_people(events: list[Envelope]) -> None:
    people = {(e.data.organisation, e.data.subject.value) for e in events if getattr(e.data, "subject", None)}

    assert len(events) >= 50_000
    assert len(people) >= 2_000


def test_every_event_type_of_the_contract_happens(events: list[Envelope]) -> None:
    assert {event.type for event in events} == set(BY_WIRE)


def test_no_event_has_a_field_that_the_contract_does_not_know(events: list[Envelope]) -> None:
    assert not [event.id for event in events if event.unknown_fields]


def test_five_organisations_have_several_services_each(events: list[Envelope]) -> None:
    sources: dict[str, set[str]] = defaultdict(set)
    for event in events:
        sources[event.data.organisation].add(event.source)

    assert len(sources) == 5
    assert min(len(names) for names in sources.values()) >= 3


def test_broken_messages_are_refused_for_the_reason_that_was_planned(messages: list[Message]) -> None:
    broken = [one for one in messages if one.expect not in {RECORDED, DUPLICATE} | BEYOND_DECODING]
    refused = [(one.expect, decode(one.body)) for one in broken]

    assert {reason for reason, _ in refused} == {
        "undecodable",
        "not-an-event",
        "unknown-type",
        "schema",
        "too-large",
        "sealed-unreadable",
    }
    assert [
        (reason, found) for reason, found in refused if not isinstance(found, Unrecordable) or found.reason != reason
    ] == []


def test_no_broken_message_costs_a_good_one(messages: list[Message]) -> None:
    recorded = {one.body for one in messages if one.expect == RECORDED}

    assert {one.clean for one in messages if one.clean} <= recorded


def test_an_unknown_organisation_is_one_that_no_script_knows(messages: list[Message]) -> None:
    known = {one.organisation for one in messages}
    strange = {
        orjson.loads(one.body)["data"]["organisation"] for one in messages if one.expect == "unknown-organisation"
    }

    assert strange
    assert not strange & known


def test_a_repeated_message_is_the_same_bytes_and_comes_later(messages: list[Message]) -> None:
    first = {one.body: one.arrived for one in messages if one.expect == RECORDED}
    again = [one for one in messages if one.expect == DUPLICATE]

    assert len(again) > 20
    assert all(one.arrived >= first[one.body] for one in again)


def test_a_conflicting_message_has_the_id_of_an_earlier_one_and_another_content(messages: list[Message]) -> None:
    recorded = {
        (event["source"], event["id"]): one.body
        for one in messages
        if one.expect == RECORDED and (event := orjson.loads(one.body))
    }
    conflicts = [one for one in messages if one.expect == "conflicting-duplicate"]

    assert conflicts
    for one in conflicts:
        event = orjson.loads(one.body)
        assert recorded[event["source"], event["id"]] != one.body


def test_ids_are_unique(messages: list[Message]) -> None:
    ids = Counter(orjson.loads(one.body)["id"] for one in messages if one.expect == RECORDED)

    assert ids.most_common(1)[0][1] == 1


def test_messages_come_in_the_order_of_their_arrival_and_some_come_late(messages: list[Message], year: Year) -> None:
    arrivals = [one.arrived for one in messages]
    in_the_year = [(one, orjson.loads(one.body)) for one in messages if one.expect == RECORDED]
    late = [e for one, e in in_the_year if year.first.isoformat() < e["time"][:10] < one.arrived.date().isoformat()]

    assert arrivals == sorted(arrivals)
    assert 50 < len(late) < 0.05 * len(messages)


@pytest.fixture(scope="module")
def good_events() -> list[Envelope]:
    found = [decode(message.body) for message in Year(people=400, end=END, wrongs=False) if message.expect == RECORDED]
    return [one for one in found if isinstance(one, Envelope)]


def test_a_service_that_numbers_its_messages_leaves_no_gap(good_events: list[Envelope]) -> None:
    numbers: dict[str, list[int]] = defaultdict(list)
    for event in good_events:
        if event.sequence is not None:
            numbers[event.source].append(int(event.sequence))

    assert len(numbers) >= 4
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in numbers.values())


def test_where_something_gets_lost_the_numbers_show_it(events: list[Envelope]) -> None:
    numbers: dict[str, list[int]] = defaultdict(list)
    for event in events:
        if event.sequence is not None:
            numbers[event.source].append(int(event.sequence))

    assert 0 < sum(max(found) - len(found) for found in numbers.values()) < 30


def test_a_service_reports_the_numbers_that_it_sent(good_events: list[Envelope]) -> None:
    reports = [event for event in good_events if event.type == "pdl.source.reported.v1"]
    for report in reports:
        first, last = (datetime.fromisoformat(text) for text in (report.data.from_, report.data.to))  # type: ignore[attr-defined]
        sent = Counter(e.type for e in good_events if e.source == report.source and first <= e.time < last)
        assert report.data.counts == dict(sent)  # type: ignore[attr-defined]
    assert len(reports) >= 40


def test_every_personal_value_can_be_searched_for_without_finding_anything_else() -> None:
    values = small().personal_values()

    assert len(values) > 500
    assert min(len(value.encode()) for value in values) >= 6


def test_nobody_can_be_reached_under_these_addresses() -> None:
    values = small().personal_values()
    mail = {value for value in values if re.fullmatch(r"[^@ ]+@[^@ ]+", value)}
    internet = [ipaddress.ip_address(value) for value in values if re.fullmatch(r"[0-9.]+", value)]
    documentation = [ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]

    assert mail
    assert {value.rpartition("@")[2] for value in mail} <= {"example.org", "example.com", "example.net"}
    assert internet
    assert all(any(address in net for net in documentation) for address in internet)
    assert all(value.startswith("+31201") for value in values if value.startswith("+"))


def test_the_protagonist_has_a_history_in_several_datasets() -> None:
    year = small()
    messages, hero = list(year), year.protagonist()
    theirs = [one for one in messages if one.expect == RECORDED and hero.value.encode() in one.body]
    events = [orjson.loads(one.body) for one in theirs]
    values = {category for event in events for category in event["data"].get("values", ())}

    assert len(events) > 40
    assert {event["data"]["organisation"] for event in events} == {hero.organisation}
    assert len({event["type"] for event in events}) >= 7
    assert len(values) >= 8
    assert hero.name in year.personal_values()


@pytest.mark.parametrize("end", [date(2024, 2, 29), date(2025, 3, 31), date(2027, 1, 1)])
def test_a_year_may_end_on_any_day(end: date) -> None:
    found = list(small(people=60, end=end))

    assert len(found) > 800
    assert found[-1].arrived.date() <= end


def test_without_noise_nothing_is_broken_twice_or_in_conflict() -> None:
    assert {one.expect for one in small(noise=False)} == {RECORDED}


def test_without_wrongs_nobody_carries_one() -> None:
    assert {one.wrong for one in small(wrongs=False)} == {""}
    assert len({one.wrong for one in small()}) > 40


def test_values_are_json_of_the_contract(events: list[Envelope]) -> None:
    collected = [event for event in events if event.type == "pdl.data.collected.v1"]

    assert all(
        isinstance(msgspec.json.decode(raw), str) for event in collected for raw in (event.data.values or {}).values()
    )  # type: ignore[attr-defined]
