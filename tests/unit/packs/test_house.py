"""A sixth organisation needs no Python: no module names one of the five, or a rule of one."""

import re
import tomllib
from pathlib import Path

import pytest

from ledger.policy.packs import builtin_packs

ROOT = Path(__file__).parents[3]
FILES = sorted(path for folder in ("ledger", "projections", "consumers") for path in (ROOT / folder).rglob("*.py"))
NAMES = re.compile(
    "|".join(re.escape(name) for pack in builtin_packs().values() for name in (pack.organisation, pack.name)),
    re.IGNORECASE,
)
RULES = re.compile(r"\b(?:RF|KI|IF|KCM|DC)-\d\d\b")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_names_an_organisation_or_one_of_its_rules(path):
    text = path.read_text(encoding="utf-8")
    assert not NAMES.findall(text)
    assert not RULES.findall(text)


def test_the_wheel_takes_the_packs_along():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    patterns = settings["package-data"]["ledger"]
    taken = {path.name for pattern in patterns for path in (ROOT / "ledger").glob(pattern)}
    assert {path.name for path in (ROOT / "ledger/policy/packs").glob("*.toml")} <= taken
    assert {"words.toml", "dpv-2.3.txt"} <= taken
    assert "ledger*" in settings["packages"]["find"]["include"]
