"""Lint finds what is planted: each fault with file, line, rule and words."""

import pytest

from ledger.policy.lint import has_errors, lint
from ledger.policy.packs import builtin_ids, pack_text

DOUBTFUL = "kcm"
CLEAN = "infactor"


def _text(organisation=CLEAN):
    return pack_text(organisation)[0]


def _codes(text, statement=None):
    return {fault.code for fault in lint(text, "my.toml", statement)}


@pytest.mark.parametrize("organisation", builtin_ids())
def test_the_packs_that_come_with_the_program_have_no_errors(organisation):
    assert [fault for fault in lint(*pack_text(organisation)) if fault.severity == "error"] == []


def test_consent_claimed_by_mere_use_is_a_doubt_with_its_sentence():
    found = [fault for fault in lint(*pack_text(DOUBTFUL)) if fault.code == "consent-by-use"]
    assert {fault.rule for fault in found} == {"KCM-08"}
    assert all(fault.line and fault.words for fault in found)


def test_one_person_as_controller_and_officer_is_a_doubt():
    found = [fault for fault in lint(*pack_text("resultfactory")) if fault.code == "officer-is-controller"]
    assert [(fault.rule, fault.severity) for fault in found] == [("RF-17", "doubt")]


@pytest.mark.parametrize(
    ("organisation", "code", "rule"),
    [
        ("directcode", "retention-without-end", "DC-18"),
        ("directcode", "recipient-without-country", "DC-17"),
        ("directcode", "recipient-without-contract", "DC-17"),
        ("klantinfocus", "recipient-without-country", "KI-05"),
        ("klantinfocus", "retention-without-term", "KI-17"),
        ("infactor", "basis-not-stated", "IF-17"),
        ("directcode", "basis-ended", "DC-04"),
        ("klantinfocus", "sentence-doubtful", "KI-35"),
    ],
)
def test_what_a_statement_leaves_out_is_a_doubt(organisation, code, rule):
    found = [fault for fault in lint(*pack_text(organisation)) if (fault.code, fault.rule) == (code, rule)]
    assert found
    assert {fault.severity for fault in found} == {"doubt"}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('values = "sealed"\n', "", "values-not-chosen"),
        ('words = "niet langer dan strikt nodig is om de doelen"', 'words = "..."', "citation-empty"),
        ('words = "niet langer dan strikt nodig is om de doelen"', f'words = "{"lang " * 40}"', "citation-too-long"),
        (
            'words = "niet langer dan strikt nodig is om de doelen"',
            'words = "mail naar iemand@example.org"',
            "citation-personal",
        ),
        ('words = "niet langer dan strikt nodig is om de doelen"', 'words = "bel 010 123 45 67"', "citation-personal"),
        (
            'words = "niet langer dan strikt nodig is om de doelen"',
            'words = "geen algemene bezoekgegevens bijgehouden"',
            "citation-repeated",
        ),
        (
            'reason = "Invitation to the reader; a breach that follows from it is judged under Art. 33."\n',
            "",
            "reason-missing",
        ),
        ('changes = "A class for administrators."\n', "", "assumption-without-change"),
        ("[systems]", '[schemes]\nspare = { nl = "x", en = "y", dpv = "pd:Identifier" }\n\n[systems]', None),
        (
            "[categories]\n",
            '[categories]\nshoe-size = { nl = "maat", en = "size", dpv = "pd:Identifier" }\n',
            "id-unused",
        ),
        ('rules = ["IF-17"]\n', "rules = []\n", "dataset-without-rule"),
    ],
)
def test_a_planted_fault_is_found_with_its_line(old, new, code):
    text = _text().replace(old, new, 1)
    assert text != _text()
    found = [fault for fault in lint(text, "my.toml") if fault.severity == "error"]
    assert [fault.code for fault in found] == ([code] if code else []) or {fault.code for fault in found} == {code}
    assert all(fault.line and fault.file == "my.toml" for fault in found)


def test_a_pack_that_does_not_load_has_its_load_errors():
    (fault,) = lint(_text().replace('how = "none"', 'how = "perhaps"'), "my.toml")
    assert (fault.code, fault.severity) == ("invalid", "error")
    assert fault.line


ONE_RULE = {
    "unjudged": ('[[promise]]\nkind = "cadence"\nrule = "IF-01"\ncontrol = "none-such"\nevery = "P1M"\n', "unknown-id")
}


def test_a_promise_with_ids_that_nobody_defined_is_an_error():
    text = _text().split("[[promise]]")[0] + ONE_RULE["unjudged"][0]
    assert "unknown-id" in _codes(text)


@pytest.mark.parametrize(
    "promise",
    [
        'kind = "allow-list"\nfield = "purpose"\nallowed = ["fun"]',
        'kind = "allow-list"\nfield = "operation"\nallowed = ["store"]\nwhen = { type = ["data.lost"] }',
        'kind = "allow-list"\nfield = "role"\nallowed = ["staff"]\nwhen = { not_origin = ["moon"] }',
        'kind = "matrix"\nof = "class"\nrows = { shoe-size = { allowed = ["customer"], rule = "IF-04" } }',
        'kind = "matrix"\nof = "class"\nrows = { financial = { allowed = ["king"], rule = "IF-04" } }',
        'kind = "retention"\nactivity = "relations"\nafter = "doomsday"\nterm = "P1Y"',
        'kind = "retention"\nactivity = "relations"\nafter = "stop:fun"\nterm = "P1Y"',
        'kind = "recipients"\nlisted = { mailer = { service = "mail" } }',
    ],
)
def test_ids_are_looked_up_wherever_a_promise_names_them(promise):
    text = _text().split("[[promise]]")[0] + f'[[promise]]\nrule = "IF-01"\n{promise}\n'
    assert "unknown-id" in _codes(text)


def test_a_promise_of_a_rule_that_is_not_in_the_statement_is_an_error():
    text = _text().split("[[promise]]")[0] + ONE_RULE["unjudged"][0].replace("IF-01", "XX-01")
    assert "unknown-rule" in _codes(text)


def test_a_rule_that_is_said_to_be_judged_and_that_no_promise_names_is_an_error():
    text = _text().split("[[promise]]")[0] + ONE_RULE["unjudged"][0]
    found = {fault.rule for fault in lint(text, "my.toml") if fault.code == "rule-without-promise"}
    assert "IF-02" in found
    assert "IF-01" not in found
    assert "IF-21" not in found


STATEMENT = (
    "Eerste zin met geen algemene bezoekgegevens bijgehouden.\nEn nog eens: geen algemene bezoekgegevens bijgehouden.\n"
)


def test_a_citation_must_stand_in_the_text_exactly_once():
    found = {(fault.rule, fault.code): fault for fault in lint(_text(), "my.toml", STATEMENT)}
    twice = found["IF-16", "citation-ambiguous"]
    assert "lines 1, 2" in twice.message
    assert twice.line
    assert ("IF-17", "citation-not-found") in found


def test_another_text_than_the_one_that_was_read_is_an_error():
    assert "other-text" in _codes(_text(), STATEMENT)


def test_only_errors_must_be_mended():
    faults = lint(*pack_text(DOUBTFUL))
    assert faults
    assert not has_errors(faults)
    assert has_errors(lint("", "my.toml"))


def test_faults_come_in_the_order_of_the_file():
    lines = [fault.line or 0 for fault in lint(*pack_text(DOUBTFUL))]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("organisation", "old", "new", "code"),
    [
        ("klantinfocus", 'service = "ivr"\ncountry', 'service = "sms-email"\ncountry', "promise-disagrees"),
        ("kcm", 'at_most = "P12M"', 'at_most = "P13M"', "promise-disagrees"),
        ("directcode", 'phone = ["support", "contact", "complaint"]', 'phone = ["support"]', "promise-disagrees"),
        ("infactor", 'classes = ["employee", "former-employee"]', 'classes = ["employee"]', "promise-disagrees"),
        ("directcode", 'ends = "unspecified"', 'ends = "term"', "retention-without-promise"),
        ("resultfactory", 'ends = "term"', 'ends = "unspecified"', "promise-disagrees"),
    ],
)
def test_tables_and_promises_must_say_the_same(organisation, old, new, code):
    tables, mark, promises = _text(organisation).partition("# --- promises")
    assert old in tables
    assert code in _codes(tables.replace(old, new, 1) + mark + promises)
