"""Settings: one object from pdl.toml and PDL_*; what is wrong is named with its place, never with its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumers.settings import FIRST_USE, Settings, read_settings, reference
from ledger.domain.errors import Unreadable


def settings(tmp_path: Path, text: str | None = None, **environment: str) -> Settings:
    if text is not None:
        (tmp_path / "pdl.toml").write_text(text)
    return read_settings(tmp_path, environment)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert settings(tmp_path) == Settings()


def test_the_file_made_at_first_use_says_the_defaults(tmp_path: Path) -> None:
    assert settings(tmp_path, FIRST_USE) == Settings(approval="none", alone=True)
    assert 'approval = "none"' in FIRST_USE
    assert "alone = true" in FIRST_USE


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    assert settings(tmp_path, "batch_facts = 10", PDL_BATCH_FACTS="20").batch_facts == 20


def test_variables_that_are_no_settings_are_left_alone(tmp_path: Path) -> None:
    assert settings(tmp_path, PDL_DATA="elsewhere", PDL_TEST_KAFKA="h:1", PDL_DEBUG="1", HOME="x") == Settings()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 1", "colour"),
        ("batch_facts = 0", "batch_facts"),
        ("batch_facts = 'many'", "batch_facts"),
        ("kafka_group = ''", "kafka_group"),
        ("approval = 'whoever'", '"two-people"'),
        ("cooling_off = '3 days'", "such as P3D"),
        ("alone = false", "alone"),
        ("mirror = '/mnt/keys'", "alone"),
        ("epoch_minutes = -1", "epoch_minutes"),
        ("packs = 'one.toml'", "packs"),
        ("a = [", "not TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_the_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(Unreadable) as refused:
        settings(tmp_path, text)
    assert named in str(refused.value)
    assert str(tmp_path / "pdl.toml") in str(refused.value)
    assert "whoever" not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PDL_COLOUR", "red"),
        ("PDL_BATCH_FACTS", "many"),
        ("PDL_BATCH_FACTS", "0"),
        ("PDL_ALONE", "perhaps"),
        ("PDL_ALONE", "false"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(tmp_path: Path, variable: str, text: str) -> None:
    with pytest.raises(Unreadable) as refused:
        settings(tmp_path, **{variable: text})
    assert variable.removeprefix("PDL_").lower() in str(refused.value).lower()
    assert "perhaps" not in str(refused.value)


def test_every_setting_has_a_help_that_is_a_sentence() -> None:
    rows = reference()
    assert [name for name, _, _ in rows] == list(Settings.__struct_fields__)
    assert all(text.endswith(".") for _, _, text in rows)
