"""What a privacy lawyer would ask of a statement: found where it is planted, and gone where it is mended."""

import pytest

from ledger.policy.doubts import doubts
from ledger.policy.lint import lint
from ledger.policy.packs import builtin_ids, load_pack, pack_text, parse_pack
from tests.unit.packs.test_show import STATEMENT

SEEN = {
    "resultfactory": {"basis-not-stated", "complaint-not-stated", "contradiction", "officer-is-controller", "processors-not-named", "right-not-stated"},
    "klantinfocus": {"basis-not-assigned", "basis-not-stated", "interest-not-stated", "purposes-open", "recipient-without-country", "retention-without-term"},
    "infactor": {"basis-not-stated", "complaint-not-stated", "recipients-not-named", "retention-without-term", "right-not-stated", "withdrawal-not-stated"},
    "kcm": {"complaint-not-stated", "consent-by-use", "contradiction", "purposes-open", "recipients-not-named", "right-not-stated"},
    "directcode": {
        "basis-ended", "basis-not-stated", "complaint-not-stated", "contradiction", "minimum-is-maximum", "recipient-without-contract",
        "recipient-without-country", "retention-without-end", "retention-without-term", "right-not-stated",
    },
}  # fmt: skip
"""What stands in each of the five published statements."""


def _doubts(text):
    return [doubt for doubt in doubts(parse_pack(text, "my.toml")) if doubt.severity == "doubt"]


def _changed(organisation, old, new):
    text = pack_text(organisation)[0]
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize("organisation", builtin_ids())
def test_the_five_statements_have_these_doubts_and_no_others(organisation):
    found = {doubt.code for doubt in doubts(load_pack(organisation)) if doubt.severity == "doubt"}
    assert found - {"sentence-doubtful"} == SEEN[organisation]


@pytest.mark.parametrize("organisation", builtin_ids())
def test_every_doubt_is_told_in_two_languages_with_its_article(organisation):
    for doubt in doubts(load_pack(organisation)):
        assert doubt.nl != doubt.en, doubt.code
        assert doubt.law or doubt.severity == "note", doubt.code


@pytest.mark.parametrize("organisation", builtin_ids())
def test_a_doubt_points_at_a_line_of_the_pack_and_at_its_rule(organisation):
    faults = [fault for fault in lint(*pack_text(organisation)) if fault.severity == "doubt"]
    assert all(fault.line for fault in faults)
    silent = {"right-not-stated", "complaint-not-stated", "controller-not-named"}
    assert all(fault.rule and fault.words for fault in faults if fault.code not in silent)


def test_with_the_text_a_doubt_names_the_sentence_and_its_line():
    (fault, *_) = [
        fault for fault in lint(*pack_text("infactor"), STATEMENT) if (fault.rule, fault.severity) == ("IF-11", "doubt")
    ]
    assert fault.sentence == "Uw gegevens worden niet langer bewaard dan nodig."
    assert fault.sentence_line == 3


@pytest.mark.parametrize(
    ("organisation", "old", "new", "code"),
    [
        ("kcm", 'consent_by_use = "KCM-08"\n', "", "consent-by-use"),
        ("resultfactory", ', same_person_as = "controller"', "", "officer-is-controller"),
        ("klantinfocus", 'bases = ["legitimate-interest", "contract"]', 'bases = ["legitimate-interest"]', "basis-not-assigned"),
        ("klantinfocus", 'bases = ["legitimate-interest", "contract"]', 'bases = ["legitimate-interest", "contract"]\ninterest = "knowing whom we deal with"', "interest-not-stated"),
        ("klantinfocus", 'country = "unspecified"', 'country = "NL"', "recipient-without-country"),
        ("directcode", 'contract = "unspecified"', 'contract = "processor"', "recipient-without-contract"),
        ("directcode", "equals_minimum = true\n", "", "minimum-is-maximum"),
        ("directcode", 'bases = ["contract"]', 'bases = ["legitimate-interest"]', "basis-ended"),
        ("resultfactory", "contradicts = [", "more = [", "contradiction"),
    ],
)  # fmt: skip
def test_a_doubt_goes_when_the_statement_is_mended(organisation, old, new, code):
    assert code in {doubt.code for doubt in _doubts(pack_text(organisation)[0])}
    assert code not in {doubt.code for doubt in _doubts(_changed(organisation, old, new))}


def test_a_recipient_outside_the_eea_is_told_with_what_the_table_says_of_that_day():
    text = _changed("directcode", 'country = "unspecified"', 'country = "US"')
    (found,) = [doubt for doubt in _doubts(text) if doubt.code == "recipient-outside-eea"]
    assert "Privacy Shield" in found.en
    later = text.replace("effective_from = 2018-05-23", "effective_from = 2022-05-23")
    (found,) = [doubt for doubt in _doubts(later) if doubt.code == "recipient-outside-eea"]
    assert "no adequacy decision" in found.en


def test_a_processor_need_not_name_the_basis():
    notes = [doubt for doubt in doubts(load_pack("klantinfocus")) if doubt.code == "basis-of-the-client"]
    assert [note.severity for note in notes] == ["note"]


def test_consent_by_use_is_told_once_for_each_sentence_that_claims_it():
    found = [doubt for doubt in doubts(load_pack("kcm")) if doubt.code == "consent-by-use"]
    assert len(found) == 1
    assert "newsletter addresses" in found[0].en
    assert "clear act" in found[0].en, "the rule's own doubt is told with it"


def test_a_contradiction_quotes_both_sentences():
    found = {doubt.rule: doubt for doubt in doubts(load_pack("resultfactory")) if doubt.code == "contradiction"}
    assert "RF-05" in found["RF-07"].en
    assert load_pack("resultfactory").rules["RF-05"].words in found["RF-07"].en


def test_a_contradiction_with_a_rule_that_is_not_there_is_an_error():
    text = _changed("kcm", 'contradicts = ["KCM-15"]', 'contradicts = ["KCM-95"]')
    assert {(fault.code, fault.severity) for fault in lint(text, "my.toml") if fault.rule == "KCM-16"} >= {
        ("unknown-rule", "error")
    }


def test_a_statement_that_names_every_right_has_no_doubt_about_rights():
    assert not [doubt for doubt in doubts(load_pack("klantinfocus")) if doubt.code == "right-not-stated"]


def test_a_right_that_is_named_for_after_the_contract_only_is_not_named():
    (found,) = [doubt for doubt in doubts(load_pack("directcode")) if doubt.code == "right-not-stated"]
    assert "erasure" in found.en


# --- promises that cannot both be kept --------------------------------------------------------------------------------------------

ONE_PURPOSE = '[[promise]]\nkind = "allow-list"\nrule = "IF-03"\nfield = "purpose"\nwhen = { activity = ["relations"] }\nallowed = ["repair"]\n\n'
TWO_TERMS = '[[promise]]\nkind = "retention"\nrule = "RF-10"\nactivity = "support-crm"\nafter = "customer.departed"\nterm = "P1Y"\n\n'
LONG_MINIMUM = '[[promise]]\nkind = "minimum"\nrule = "RF-10"\nactivities = ["support-crm"]\nafter = "customer.departed"\nterm = "P4Y"\n\n'
SHORT_MINIMUM = LONG_MINIMUM.replace("P4Y", "P2Y")


def _contradicted(organisation, planted):
    text = f"{pack_text(organisation)[0]}\n{planted}"
    return {doubt.rule for doubt in _doubts(text) if doubt.code == "contradiction"} - {
        doubt.rule for doubt in doubts(load_pack(organisation)) if doubt.code == "contradiction"
    }


def test_two_lists_for_the_same_acts_with_nothing_in_common_are_at_odds():
    planted = f"{ONE_PURPOSE}{ONE_PURPOSE.replace('IF-03', 'IF-10').replace('repair', 'contact')}"
    assert _contradicted("infactor", planted) == {"IF-10"}
    assert _contradicted("infactor", ONE_PURPOSE + ONE_PURPOSE.replace("IF-03", "IF-10")) == set()


def test_two_terms_from_the_same_moment_are_at_odds():
    assert _contradicted("resultfactory", TWO_TERMS) == {"RF-10"}
    assert _contradicted("resultfactory", TWO_TERMS.replace("P1Y", "P3Y")) == set()


def test_a_minimum_above_the_maximum_is_at_odds_with_it():
    assert _contradicted("resultfactory", LONG_MINIMUM) == {"RF-10"}
    assert _contradicted("resultfactory", SHORT_MINIMUM) == set()


@pytest.mark.parametrize("example", ["deotter/deotter.toml", "delinde/delinde.toml", "delinde/delinde-3.toml"])
def test_the_examples_are_at_odds_with_nothing(example):
    from pathlib import Path  # noqa: PLC0415  only here

    text = (Path(__file__).parents[3] / "examples" / example).read_text(encoding="utf-8")
    assert "contradiction" not in {doubt.code for doubt in _doubts(text)}
