"""What was held, in force or agreed at a moment (the contract's Readings 1, 3, 5, 16, 20, 24, 27)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ledger.domain.calendar import FOREVER
from ledger.domain.facts import Fact
from ledger.policy.timeline import Organisation, Person, by_time, grouped, without_retracted

COUNT = iter(range(10_000))


def on(day: int, hour: int = 9) -> datetime:
    return datetime(2026, 1, day, hour, tzinfo=UTC)


def fact(type_: str, day: int, **given: Any) -> Fact:
    given.setdefault("person", "p")
    return Fact(type=f"pdl.{type_}.v1", id=f"f{next(COUNT):04}", source="/s", time=on(day), organisation="o", **given)


def collected(day: int, **given: Any) -> Fact:
    return fact("data.collected", day, activity="a", **({"categories": ("name",), "system": "crm"} | given))


def person(*facts: Fact, everyone: Organisation | None = None) -> Person:
    return Person(sorted(facts, key=lambda row: (row.time, row.source, row.id)), everyone or Organisation())


def ends(found: Person) -> list[tuple[str | None, datetime]]:
    return [(copy.system, copy.end) for copy in found.copies]


def test_a_deletion_in_one_system_leaves_the_others() -> None:
    found = person(
        collected(1),
        fact("data.used", 2, activity="a", categories=("name",), system="mail"),
        fact("data.deleted", 3, activity="a", categories=("*",), system="crm"),
    )
    assert ends(found) == [("crm", on(3)), ("mail", FOREVER)]


def test_a_deletion_without_system_speaks_for_every_system() -> None:
    found = person(
        collected(1),
        fact("data.used", 2, activity="a", categories=("name",), system="mail"),
        fact("data.deleted", 3, activity="a", categories=("*",)),
    )
    assert ends(found) == [("crm", on(3)), ("mail", on(3))]


def test_a_collection_without_system_is_ended_only_by_a_deletion_without_one() -> None:
    found = person(collected(1, system=None), fact("data.deleted", 3, activity="a", categories=("*",), system="crm"))
    assert ends(found) == [(None, FOREVER)]


def test_a_deletion_with_a_reference_ends_only_what_has_it() -> None:
    found = person(
        collected(1, reference="r"),
        collected(1),
        fact("data.deleted", 3, activity="a", categories=("*",), reference="r"),
    )
    assert [end for _, end in ends(found)] == [on(3), FOREVER]


def test_a_deletion_of_a_category_leaves_the_others() -> None:
    found = person(
        collected(1, categories=("name", "email")), fact("data.deleted", 3, activity="a", categories=("email",))
    )
    assert [(copy.category, copy.end) for copy in found.copies] == [("name", FOREVER), ("email", on(3))]


def test_a_use_shows_that_the_system_holds_what_is_still_held() -> None:
    found = person(
        collected(1, reference="x"),
        collected(2, reference="y"),
        fact("data.used", 3, activity="a", categories=("name",), system="mail"),
    )
    assert sorted((copy.collected.reference or "", copy.system or "") for copy in found.copies) == [
        ("x", "crm"),
        ("x", "mail"),
        ("y", "crm"),
        ("y", "mail"),
    ]


def test_a_use_of_what_was_deleted_shows_the_latest_to_be_there() -> None:
    gone = fact("data.deleted", 3, activity="a", categories=("*",))
    found = person(
        collected(1, reference="x"),
        collected(2, reference="y"),
        gone,
        fact("data.used", 4, activity="a", categories=("name",), system="mail"),
    )
    assert [(copy.collected.reference, copy.system) for copy in found.copies if copy.end is FOREVER] == [("y", "mail")]


def test_the_class_is_the_latest_of_a_collection_and_a_milestone() -> None:
    found = person(
        collected(1, class_="enquirer"),
        fact("milestone.reached", 3, milestone="customer.became"),
        fact("data.used", 4, class_="prospect"),
    )
    assert [found.class_at(on(day)) for day in (1, 3, 5)] == ["enquirer", "customer", "customer"]


def test_a_contract_is_valid_from_its_date_to_its_end() -> None:
    signed = fact("contract.signed", 2, reference="c", party="subject", from_="2026-01-05", until="2026-01-20")
    found = person(signed, fact("contract.ended", 10, reference="c"))
    assert [found.contract_with("c", on(day)) is not None for day in (3, 5, 9, 10, 15)] == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_the_end_of_a_contract_counts_once_at_the_earlier_sign() -> None:
    signed = fact("contract.signed", 2, reference="c", party="subject", from_="2026-01-02", until="2026-01-20")
    ended, mark = fact("contract.ended", 12, reference="c"), fact("milestone.reached", 10, milestone="contract.ended")
    assert [moment.fact for moment in person(signed, ended, mark).milestone("contract.ended")] == [mark]


def test_a_contract_that_was_signed_again_ends_twice() -> None:
    rows = [fact("contract.signed", 2, reference="c", from_="2026-01-02"), fact("contract.ended", 5, reference="c")]
    rows += [fact("contract.signed", 8, reference="c", from_="2026-01-08"), fact("contract.ended", 20, reference="c")]
    assert [moment.time for moment in person(*rows).milestone("contract.ended")] == [on(5), on(20)]


def test_an_end_without_a_person_ends_the_contract_with_the_person() -> None:
    everyone = Organisation([fact("contract.ended", 9, reference="c", person=None)])
    found = person(fact("contract.signed", 2, reference="c", from_="2026-01-02"), everyone=everyone)
    assert [moment.time for moment in found.milestone("contract.ended")] == [on(9)]
    assert found.contract_with(None, on(10)) is None


def test_only_new_consent_reopens_what_an_objection_ended() -> None:
    rows = [fact("consent.given", 1, purpose="news"), fact("objection.raised", 3, purpose="news")]
    rows += [
        fact("objection.answered", 4, purpose="news", outcome="overridden"),
        fact("consent.given", 6, purpose="news"),
    ]
    found = person(*rows)
    assert [found.stop("news", on(day), None) is not None for day in (2, 3, 5, 6)] == [False, False, True, False]
    assert [found.consent("news", on(day), None) is not None for day in (1, 5, 6)] == [True, False, True]


def test_consent_reaches_only_the_same_client() -> None:
    found = person(fact("consent.given", 1, purpose="news", client="a"))
    assert [found.consent("news", on(2), client) is not None for client in ("a", "b", None)] == [True, False, True]


def test_a_restriction_is_lifted_by_its_own_ground() -> None:
    rows = [
        fact("restriction.placed", 1, ground="accuracy"),
        fact("restriction.placed", 2, ground="claims"),
        fact("restriction.lifted", 5, ground="claims"),
    ]
    assert [span.end for span in person(*rows).restrictions] == [FOREVER, on(5)]


def test_a_hold_until_a_date_ends_with_that_day() -> None:
    found = person(fact("hold.placed", 1, statute="s", reference="h", until="2026-01-20"))
    assert found.holds[0].end == datetime(2026, 1, 20, 23, tzinfo=UTC)


def test_linked_identifiers_are_one_person() -> None:
    rows = [fact("data.used", 1), fact("data.used", 2, person="q"), fact("subject.linked", 3, other="q")]
    assert [len(mine) for mine in grouped(sorted(rows, key=by_time)).values()] == [3]


def test_an_unlinked_pair_was_never_linked() -> None:
    rows = [
        fact("data.used", 1),
        fact("data.used", 2, person="q"),
        fact("subject.linked", 3, other="q"),
        fact("subject.unlinked", 4, other="q"),
    ]
    assert sorted(len(mine) for mine in grouped(sorted(rows, key=by_time)).values()) == [1, 3]


def test_an_unlinked_pair_stays_apart_though_it_is_named_together_again() -> None:
    rows = [fact("data.used", 1, person="q"), fact("subject.unlinked", 4, other="q"), fact("data.used", 5, also=("q",))]
    assert sorted(len(mine) for mine in grouped(sorted(rows, key=by_time)).values()) == [1, 2]


def test_a_link_until_a_day_joins_what_came_before() -> None:
    rows = [
        fact("data.used", 2, person="q"),
        fact("subject.linked", 3, other="q", until="2026-01-10"),
        fact("data.used", 12, person="q"),
    ]
    assert sorted(len(mine) for mine in grouped(sorted(rows, key=by_time)).values()) == [1, 2]


def test_identifiers_named_together_are_one_person() -> None:
    rows = [fact("data.used", 1, also=("q",)), fact("data.used", 2, person="q")]
    assert [len(mine) for mine in grouped(sorted(rows, key=by_time)).values()] == [2]


def test_a_retracted_fact_is_absent_and_a_retracted_retraction_is_void() -> None:
    wrong, right = fact("data.used", 1), fact("data.used", 2)
    back = fact("fact.retracted", 3, retracts_source="/s", retracts_id=wrong.id)
    assert without_retracted([back, right, wrong]) == [right, back]
    undone = fact("fact.retracted", 4, retracts_source="/s", retracts_id=back.id)
    assert without_retracted([undone, back, right, wrong]) == [wrong, right, undone]
