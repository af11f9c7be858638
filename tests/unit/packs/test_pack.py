"""A pack answers in one lookup what sealing and judging ask."""

import pytest

from ledger.policy.model import SPACES
from ledger.policy.packs import builtin_packs, load_pack


@pytest.fixture(name="website")
def _website():
    return load_pack("infactor")


def test_every_space_of_the_contract_is_known_and_no_other():
    pack = load_pack("kcm")
    assert {space: type(pack.known(space)) for space in SPACES} == dict.fromkeys(SPACES, frozenset)
    with pytest.raises(KeyError):
        pack.known("colour")


def test_clients_are_not_listed_in_a_statement():
    assert {pack.known("client") for pack in builtin_packs().values()} == {frozenset()}


def test_the_contracts_own_ids_are_known_everywhere():
    for pack in builtin_packs().values():
        assert {"lift", "extension", "erasure", "refusal", "breach", "disclosure"} <= pack.known("duty")
        assert {"desk", "letter", "newsletter-link"} <= pack.known("channel")
        assert "subject" in pack.known("party")
        assert pack.version in pack.known("version")


def test_consent_can_be_for_something_that_is_no_purpose_of_the_statement(website):
    assert "share" in website.known("purpose")
    assert "share" not in website.file.purposes


def test_a_category_is_kept_in_one_dataset_of_its_activity(website):
    assert website.dataset_of("relations", "financial") == "financial"
    assert website.dataset_of("relations", "ip-address") is None
    assert website.dataset_of("no-such-activity", "email") is None
    assert dict(website.datasets_of("website")) == {"ip-address": "intruders"}


@pytest.mark.parametrize(
    ("category", "class_", "kept"),
    [
        ("ip-address", "intruder", "sealed"),
        ("ip-address", "visitor", "prohibited"),
        ("ip-address", None, "prohibited"),
        ("ip-address", "someone-else", "prohibited"),
        ("browser", "visitor", "prohibited"),
        ("visit-time", "customer", "prohibited"),
        ("shoe-size", "visitor", "unlisted"),
    ],
)
def test_what_the_statement_prohibits_is_not_kept_not_even_sealed(website, category, class_, kept):
    assert website.keeping("website", category, class_) == kept


def test_a_prohibited_identifier_is_not_kept_either(website):
    assert website.prohibits_identifier("website", "ip", "visitor")
    assert not website.prohibits_identifier("website", "ip", "intruder")
    assert not website.prohibits_identifier("relations", "ip", "visitor")


def test_a_pack_may_choose_to_keep_no_values_of_a_dataset_or_of_a_category():
    assert load_pack("directcode").keeping("website", "session-cookie", "visitor") == "not kept"
    assert load_pack("directcode").keeping("customers", "login", "customer") == "not kept"
    assert load_pack("directcode").keeping("customers", "email", "customer") == "sealed"


def test_an_activity_that_nobody_declared_lists_nothing(website):
    assert website.keeping("undeclared", "email", "customer") == "unlisted"


def test_email_phone_and_ip_may_be_shared_and_are_weak():
    pack = load_pack("klantinfocus")
    assert [pack.is_strong(scheme) for scheme in ("email", "phone", "ip")] == [False, False, False]
    assert [pack.is_strong(scheme) for scheme in ("customer-number", "anything-else")] == [True, True]


def test_the_control_that_a_sweep_executes_is_the_one_that_the_statement_promises():
    assert {id_: pack.sweep_control for id_, pack in builtin_packs().items() if pack.sweep_control} == {
        "resultfactory": "retention-check"
    }


def test_a_basis_is_what_the_statement_says_or_nothing():
    pack = load_pack("klantinfocus")
    assert pack.bases_of("crm", "name") == ("legitimate-interest", "contract")
    assert pack.bases_of("recruitment", "name") == ()
    assert pack.bases_of("recruitment", "shoe-size") == ()


def test_a_dataset_id_belongs_to_one_activity():
    for pack in builtin_packs().values():
        assert len(pack.datasets) == sum(len(activity.datasets) for activity in pack.activities.values())


def test_a_processor_and_a_controller_are_told_apart():
    acts_as = {activity.id: activity.acts_as for activity in load_pack("kcm").activities.values()}
    assert acts_as == {
        "own-relations": "controller",
        "registration": "controller",
        "client-research": "processor",
        "newsletter": "controller",
    }
