"""The reference says what the code does, and leaves nothing out."""

from __future__ import annotations

import pytest

from consumers.settings import reference as settings_reference
from ledger.domain.envelope import REASONS
from ledger.domain.events import BY_WIRE
from projections.registers import BY_NAME
from tests.docs.reference import PAGES, REASONS_SAID, commands, error_classes, kinds
from tests.docs.texts import REFERENCE, same_as_page


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_reference_is_as_the_code_writes_it(page: str) -> None:
    same_as_page(REFERENCE / page, PAGES[page]())


def test_every_event_type_is_documented() -> None:
    text = (REFERENCE / "events.md").read_text("utf-8")
    assert [wire for wire in BY_WIRE if f"### {wire}\n" not in text] == []


def test_every_error_says_in_the_reference_what_is_safe_to_do() -> None:
    text = (REFERENCE / "errors.md").read_text("utf-8")
    assert [
        error.__name__ for error in error_classes() if f"| `{error.__name__}` |" not in text or not error.__doc__
    ] == []


def test_every_reason_of_quarantine_is_explained() -> None:
    assert set(REASONS_SAID) == set(REASONS)


def test_every_setting_is_documented_with_its_help() -> None:
    text = (REFERENCE / "settings.md").read_text("utf-8")
    assert [name for name, _, said in settings_reference() if f"| `{name}` |" not in text or not said] == []


def test_every_command_has_help_and_is_documented() -> None:
    text = (REFERENCE / "cli.md").read_text("utf-8")
    assert [path for path, command, _ in commands() if f"## {' '.join(path)}\n" not in text or not command.help] == []


def test_every_register_and_kind_of_promise_is_documented() -> None:
    registers, promises = ((REFERENCE / page).read_text("utf-8") for page in ("registers.md", "promises.md"))
    assert [name for name in BY_NAME if f"## {name}\n" not in registers] == []
    assert [kind.__name__ for kind in kinds() if f"## {kind.__struct_config__.tag}\n" not in promises] == []
