"""The five packs have every id that events and packs agree on, each with a label in two languages and a DPV term."""

import tomllib
from pathlib import Path

import pytest

from ledger.policy.model import SPACES, Pack
from ledger.policy.packs import builtin_ids, builtin_law, builtin_packs, dpv_terms, load_pack

HERE = Path(__file__).parent
VOCABULARY = tomllib.loads((HERE / "vocabulary.toml").read_text(encoding="utf-8"))
DPV = dpv_terms()
RULES = {"RF": 17, "KI": 38, "IF": 22, "KCM": 24, "DC": 22}
EVERY_ORGANISATION = pytest.mark.parametrize("organisation", sorted(VOCABULARY))
TABLES = {
    "classes": "classes",
    "purposes": "purposes",
    "roles": "roles",
    "systems": "systems",
    "milestones": "milestones",
    "controls": "controls",
    "client_parameters": "parameters",
    "informed_about": "duties",
    "consent_purposes": "consents",
}


def test_there_is_a_pack_for_each_organisation_of_the_vocabulary():
    assert list(builtin_ids()) == sorted(VOCABULARY) == list(builtin_packs())


@EVERY_ORGANISATION
def test_a_pack_says_whose_statement_it_is_and_since_when(organisation):
    pack = load_pack(organisation)
    assert (pack.organisation, pack.name) == (organisation, VOCABULARY[organisation]["name"])
    assert pack.effective_from == VOCABULARY[organisation]["effective_from"]


@EVERY_ORGANISATION
@pytest.mark.parametrize("key", sorted(TABLES))
def test_a_pack_has_exactly_the_ids_of_the_vocabulary(organisation, key):
    table = getattr(load_pack(organisation).file, TABLES[key])
    assert sorted(table) == sorted(VOCABULARY[organisation].get(key, []))


@EVERY_ORGANISATION
def test_each_activity_keeps_the_categories_of_the_vocabulary_in_its_datasets(organisation):
    pack = load_pack(organisation)
    kept = {
        activity.id: {dataset.id: list(dataset.categories) for dataset in activity.datasets.values()}
        for activity in pack.activities.values()
    }
    assert kept == {id_: dict(table["datasets"]) for id_, table in VOCABULARY[organisation]["activities"].items()}


@EVERY_ORGANISATION
def test_each_recipient_has_its_one_service(organisation):
    found = {id_: recipient.service for id_, recipient in load_pack(organisation).file.recipients.items()}
    assert found == VOCABULARY[organisation].get("recipients", {})


@EVERY_ORGANISATION
def test_the_purposes_of_a_category_are_those_of_the_vocabulary(organisation):
    found = {
        category: list(purposes)
        for dataset in load_pack(organisation).datasets.values()
        for category, purposes in dataset.purposes_of.items()
    }
    assert found == VOCABULARY[organisation].get("purposes_of", {})


def _labels(pack: Pack):
    file = pack.file
    for table in (
        file.categories,
        file.classes,
        file.purposes,
        file.consents,
        file.roles,
        file.systems,
        file.milestones,
        file.controls,
        file.duties,
        file.parameters,
        file.recipients,
        file.services,
        file.parties,
        file.schemes,
        file.notices,
    ):
        yield from table.items()
    yield from ((row.id, row) for row in (*file.activities, *file.datasets))


@EVERY_ORGANISATION
def test_every_id_has_a_dutch_and_an_english_label_and_a_term_of_dpv(organisation):
    for id_, label in _labels(load_pack(organisation)):
        assert label.nl.strip(), id_
        assert label.en.strip(), id_
        assert label.dpv in DPV, (id_, label.dpv)


def test_the_ids_of_the_law_have_labels_too():
    law = builtin_law().file
    for table in (
        law.bases,
        law.conditions,
        law.rights,
        law.clocks,
        law.channels,
        law.duties,
        law.notices,
        law.schemes,
    ):
        for id_, label in table.items():
            assert label.nl.strip(), id_
            assert label.en.strip(), id_
            assert label.dpv in DPV, (id_, label.dpv)


@EVERY_ORGANISATION
def test_label_finds_what_known_lists(organisation):
    pack = load_pack(organisation)
    for space in SPACES:
        for id_ in pack.known(space) - {"subject"}:
            if space not in {"activity", "dataset", "statute", "version"}:
                assert pack.label(space, id_) is not None, (space, id_)


def test_all_123_rules_are_placed_in_the_order_of_their_statement():
    found = [rule.id for pack in builtin_packs().values() for rule in pack.file.rules]
    assert len(found) == 123
    assert sorted(found) == sorted(
        f"{prefix}-{number:02}" for prefix, count in RULES.items() for number in range(1, count + 1)
    )


@EVERY_ORGANISATION
def test_each_rule_has_words_of_its_own_in_two_languages_and_says_how_it_is_judged(organisation):
    rules = load_pack(organisation).file.rules
    assert len({rule.words for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.nl.strip() != rule.en.strip(), rule.id
        assert rule.reason or rule.how not in {"none", "load"}, rule.id
        assert bool(rule.assumed) == bool(rule.changes), rule.id


DOUBTFUL = [
    "RF-04",
    "RF-06",
    "RF-07",
    "RF-08",
    "RF-09",
    "RF-10",
    "RF-12",
    "RF-13",
    "RF-15",
    "RF-16",
    "KI-03",
    "KI-04",
    "KI-05",
    "KI-09",
    "KI-12",
    "KI-15",
    "KI-16",
    "KI-17",
    "KI-20",
    "KI-21",
    "KI-22",
    "KI-24",
    "KI-25",
    "KI-29",
    "KI-31",
    "IF-04",
    "IF-05",
    "IF-08",
    "IF-11",
    "IF-17",
    "IF-19",
    "KCM-05",
    "KCM-06",
    "KCM-09",
    "KCM-10",
    "KCM-15",
    "KCM-16",
    "KCM-19",
    "KCM-20",
    "KCM-21",
    "KCM-24",
    "DC-02",
    "DC-03",
    "DC-05",
    "DC-13",
    "DC-14",
    "DC-17",
    "DC-18",
    "DC-19",
]


@pytest.mark.parametrize("rule", DOUBTFUL)
def test_where_words_can_be_read_in_two_ways_the_pack_says_which_it_took_and_what_would_change_it(rule):
    found = next(row for pack in builtin_packs().values() for row in pack.file.rules if row.id == rule)
    assert found.assumed
    assert found.changes


@EVERY_ORGANISATION
def test_what_is_assumed_doubted_or_explained_is_told_in_dutch_too(organisation):
    file = load_pack(organisation).file
    rows = [
        *file.rules,
        *file.activities,
        *file.datasets,
        *(row.retention for row in file.datasets),
        *file.parameters.values(),
    ]
    for row in rows:
        for name in ("assumed", "changes", "doubt", "reason"):
            told, dutch = getattr(row, name, None), getattr(row, f"{name}_nl", None)
            assert bool(told) == bool(dutch), (row, name)
            assert not told or told != dutch, (row, name)
    assert all(row.instead_nl for row in file.open)
    assert bool(file.statement.effective_from_assumed) == bool(file.statement.effective_from_assumed_nl)


@EVERY_ORGANISATION
def test_each_rule_names_the_law_that_it_stands_on(organisation):
    assert [rule.id for rule in load_pack(organisation).file.rules if not rule.law] == []


def test_the_articles_say_in_both_languages_what_they_assume():
    for article in builtin_law().articles.values():
        for name in ("assumed", "changes", "reason"):
            assert bool(getattr(article, name)) == bool(getattr(article, f"{name}_nl")), article.id
