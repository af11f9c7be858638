"""What the law says depends on the day."""

from datetime import date, timedelta

import pytest

from ledger.policy.packs import builtin_law

LAW = builtin_law()
ARTICLES = [
    "GDPR-6(1)",
    "GDPR-7(3)",
    "GDPR-12(3)",
    "GDPR-12(4)",
    "GDPR-13(1)",
    "GDPR-14(3)",
    "GDPR-17(1)",
    "GDPR-18(2)",
    "GDPR-18(3)",
    "GDPR-19",
    "GDPR-21(3)",
    "GDPR-28(2)",
    "GDPR-28(3)",
    "GDPR-33(1)",
    "GDPR-33(2)",
    "GDPR-34(1)",
    "GDPR-44",
    "GDPR-5(2)",
    "GDPR-17(3)",
]


def test_the_articles_that_can_be_a_rule_of_their_own_are_there():
    assert set(ARTICLES) <= set(LAW.articles)


def test_the_law_binds_from_25_may_2018():
    assert LAW.binds_from == date(2018, 5, 25)


def test_a_request_is_answered_in_a_month_and_extended_by_two():
    rights = {id_: (right.term, right.extension) for id_, right in LAW.file.rights.items()}
    assert rights.pop("complaint") == (None, None)
    assert set(rights.values()) == {("P1M", "P2M")}
    assert LAW.file.clocks["breach-to-authority"].term == "PT72H"


@pytest.mark.parametrize(
    ("country", "day", "covers"),
    [
        ("US", date(2020, 7, 15), "partial"),
        ("US", date(2020, 7, 16), None),
        ("US", date(2023, 7, 9), None),
        ("US", date(2023, 7, 10), "partial"),
        ("US", date(2015, 10, 5), "partial"),
        ("US", date(2015, 10, 6), None),
        ("CA", date(2024, 1, 1), "partial"),
        ("JP", date(2019, 1, 22), None),
        ("JP", date(2019, 1, 23), "full"),
        ("KR", date(2021, 12, 17), "full"),
        ("CH", date(2018, 6, 1), "full"),
        ("GB", date(2020, 1, 31), None),
        ("GB", date(2020, 2, 1), "full"),
        ("GB", date(2021, 6, 27), "full"),
        ("GB", date(2021, 6, 28), "full"),
        ("GB", date(2031, 12, 27), "full"),
        ("GB", date(2031, 12, 28), None),
        ("BR", date(2026, 1, 25), None),
        ("BR", date(2026, 1, 26), "full"),
        ("IN", date(2024, 1, 1), None),
    ],
)
def test_adequacy_is_a_dated_table(country, day, covers):
    found = LAW.adequacy(country, day)
    assert (found.covers if found else None) == covers


def test_the_united_kingdom_was_never_without_a_ground_for_a_day():
    day, last = date(2018, 5, 25), date(2031, 12, 27)
    while day <= last:
        assert LAW.in_eu("GB", day) or LAW.adequacy("GB", day), day
        day += timedelta(days=1)


@pytest.mark.parametrize(
    ("country", "day", "eu", "eea"),
    [
        ("NL", date(2018, 5, 25), True, True),
        ("HR", date(2013, 6, 30), False, False),
        ("HR", date(2013, 7, 1), True, True),
        ("NO", date(2022, 6, 1), False, True),
        ("LI", date(2022, 6, 1), False, True),
        ("IS", date(2022, 6, 1), False, True),
        ("CH", date(2022, 6, 1), False, False),
        ("GB", date(2020, 1, 31), True, True),
        ("GB", date(2020, 2, 1), False, False),
        ("RE", date(2022, 6, 1), True, True),
        ("XX", date(2022, 6, 1), False, False),
    ],
)
def test_membership_is_a_dated_table(country, day, eu, eea):
    assert (LAW.in_eu(country, day), LAW.in_eea(country, day)) == (eu, eea)


def test_the_union_has_27_members():
    members = {
        row.country
        for row in LAW.file.member
        if row.of == "EU" and LAW.in_eu(row.country, date(2024, 1, 1)) and row.note is None
    }
    assert len(members) == 27


def test_no_two_decisions_for_a_country_hold_on_the_same_day():
    rows = LAW.file.adequacy
    for row in rows:
        assert sum(other.country == row.country and other.holds(row.from_) for other in rows) == 1, row.name
