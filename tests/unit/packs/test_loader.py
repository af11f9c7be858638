"""Whatever is wrong with a pack file is said at once: file, line, place and the mend."""

import re
from importlib import resources

import pytest

from ledger.domain.errors import PolicyInvalid
from ledger.policy.packs import load_pack, pack_text, parse_pack, places

ORGANISATION = "infactor"
TEXT = pack_text(ORGANISATION)[0]


def _told(text):
    with pytest.raises(PolicyInvalid) as caught:
        parse_pack(text, "my.toml")
    return str(caught.value)


def test_a_pack_is_found_by_id_or_read_from_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT, encoding="utf-8")
    assert load_pack(path).organisation == load_pack(str(path)).organisation == load_pack(ORGANISATION).organisation


def test_an_unknown_pack_says_which_there_are():
    with pytest.raises(PolicyInvalid, match=ORGANISATION):
        load_pack("nobody")


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(PolicyInvalid, match="cannot be read"):
        load_pack(tmp_path / "none.toml")
    with pytest.raises(PolicyInvalid, match="cannot be read"):
        load_pack(f"{tmp_path}/")


def test_a_file_in_another_encoding_says_so(tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes("# één".encode("latin-1"))
    with pytest.raises(PolicyInvalid, match="UTF-8"):
        load_pack(path)


def test_what_is_not_toml_says_where():
    assert "line 1" in _told("this is not toml")


def test_an_empty_file_says_what_is_missing():
    told = _told("")
    assert re.findall(r"^my\.toml: (\w+): is missing", told, re.MULTILINE) == ["statement"]


def test_an_unknown_key_is_an_error_with_its_line():
    told = _told(TEXT.replace('organisation = "infactor"', 'organisation = "infactor"\ncolour = "blue"'))
    line = TEXT[: TEXT.index("[statement]")].count("\n") + 1
    assert told.startswith(f"my.toml:{line}: statement: ")
    assert "unknown field 'colour'" in told


def test_an_unknown_table_is_an_error():
    assert "unknown table" in _told(TEXT + "\n[colours]\nblue = 1\n")


def test_every_fault_is_told_at_once():
    broken = TEXT.replace('how = "none"', 'how = "perhaps"').replace(
        "effective_from = 2018-01-01", 'effective_from = "soon"'
    )
    told = _told(broken)
    assert "statement.effective_from" in told
    assert ".how" in told


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('categories = ["financial"]', 'categories = ["fortune"]', "the category 'fortune' is not defined"),
        (
            'categories = ["financial"]',
            'categories = ["name"]',
            "the category 'name' of relations is already in dataset 'relations'",
        ),
        ('id = "financial"', 'id = "relations"', "the id 'relations' stands here a second time"),
        ('rules = ["IF-17"]', 'rules = ["IF-99"]', "the rule 'IF-99' is not defined"),
        ('classes = ["intruder"]', 'classes = ["burglar"]', "the class 'burglar' is not defined"),
        ('activity = "website"', 'activity = "webshop"', "the activity 'webshop' is not defined"),
        ('systems = ["website"]', 'systems = ["cloud"]', "the system 'cloud' is not defined"),
        ('purposes = ["intrusion-defence"]', 'purposes = ["fun"]', "the purpose 'fun' is not defined"),
    ],
)
def test_an_id_that_is_used_must_be_defined_once(old, new, what):
    assert old in TEXT
    assert what in _told(TEXT.replace(old, new))


def test_a_promise_of_an_unknown_kind_is_an_error_with_its_place():
    told = _told(TEXT.split("[[promise]]")[0] + '\n[[promise]]\nkind = "wish"\nrule = "IF-01"\n')
    assert re.match(r"my\.toml:\d+: promise\[0\]", told)
    assert "wish" in told


def test_places_are_lines_of_tables_and_keys():
    found = places('a = 1\n[b]\nc = 2\n"d.e" = 3\n[[f]]\ng = 4\n[f.h]\ni = 5\n[[f]]\ng = 6\n')
    assert found == {
        "a": 1,
        "b": 2,
        "b.c": 3,
        "b.d.e": 4,
        "f[0]": 5,
        "f[0].g": 6,
        "f[0].h": 7,
        "f[0].h.i": 8,
        "f[1]": 9,
        "f[1].g": 10,
    }


def test_the_packs_travel_with_the_package():
    names = {entry.name for entry in resources.files("ledger.policy").joinpath("packs").iterdir()}
    assert {f"{ORGANISATION}.toml", "gdpr.toml"} <= names
