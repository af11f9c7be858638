"""Every command in the documentation exists, and the sessions print what the pages say."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from consumers.cli import cli, run
from tests.docs.sessions import SESSION, Ran, fits, play
from tests.docs.texts import ROOT, blocks, name_of, pages, writing

_INLINE = re.compile(r"`(pdl [^`\n]*)`")
_TASK = re.compile(r"\bmake ([a-z]+)")
PAGES = [page for page in pages() if page.name != "cli.md"]


def _typed(page: Path) -> list[str]:
    """Every `pdl` command that a page shows in a block of its own."""
    found = []
    for language, text in blocks(page):
        if language not in {"sh", "console"}:
            continue
        for line in text.replace("\\\n", " ").splitlines():
            parts = [part.strip() for part in line.removeprefix("$ ").split("|")]
            found += [part for part in parts if part.startswith("pdl ")]
    return found


def _parsed(words: list[str]) -> None:
    """Let click read the arguments, down to the last command, and run nothing."""
    context, command, name = click.Context(cli, info_name="pdl"), cli, "pdl"
    while True:
        context = command.make_context(name, list(words), parent=context if command is not cli else None)
        if not isinstance(command, click.Group):
            return
        rest = [*context._protected_args, *context.args]
        found, command_, words = command.resolve_command(context, rest)
        assert found is not None
        assert command_ is not None
        name, command = found, command_


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_on_a_page_can_be_typed_as_it_stands(page: Path) -> None:
    for typed in _typed(page):
        words = shlex.split(re.split(r" > ", typed)[0], comments=True)[1:]
        try:
            _parsed(words)
        except click.exceptions.Exit:
            continue
        except click.ClickException as error:
            pytest.fail(f"{typed}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_in_running_text_has_its_name(page: Path) -> None:
    for typed in _INLINE.findall(page.read_text("utf-8")):
        command: click.Command = cli
        context = click.Context(cli, info_name="pdl")
        for word in typed.split()[1:]:
            if not isinstance(command, click.Group) or not re.fullmatch(r"[a-z]+", word):
                break
            found = command.get_command(context, word)
            assert found is not None, typed
            command = found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_task_on_a_page_is_in_the_makefile(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    code = [text for language, text in blocks(page) if language == "sh"] + re.findall(
        r"`(make [^`]*)`", page.read_text("utf-8")
    )
    assert {task for text in code for task in _TASK.findall(text)} - targets == set()


@pytest.mark.parametrize("page", [page for page in PAGES if SESSION.search(page.read_text("utf-8"))], ids=name_of)
def test_a_session_prints_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write = writing()
    for variable in [name for name in os.environ if name.startswith("PDL_") or name == "COLUMNS"]:
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")

    def played(words: list[str]) -> Ran:
        capfd.readouterr()
        return Ran(run(words), *capfd.readouterr())

    assert "\n".join(play(page, played, tmp_path, write=write)) == ""
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, name_of(page), "exec"), {})  # noqa: S102 - our own page, in a folder of its own


def test_three_dots_stand_for_anything_in_a_line_and_for_lines() -> None:
    assert fits("a ... c\n...\nz\n", "a b c\nd\ne\nz\n")
    assert not fits("a ... c\n", "a b\nc\n")
    assert not fits("a\n", "a\nb\n")
