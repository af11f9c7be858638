"""`pdl policy adopt`: put a pack into a data directory, so that the ledger there judges by it."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any, Final

import click

from consumers import settings as settings_of
from consumers.cli.options import data_option
from consumers.cli.statements import Source, text_for
from ledger.domain.errors import PolicyInvalid, Unreadable
from ledger.policy.lint import has_errors, lint
from ledger.policy.model import Pack
from ledger.policy.packs import load_pack, pack_text

_PACKS: Final = re.compile(r"^packs[ \t]*=[ \t]*\[[^\]]*\][^\n]*\n?", re.MULTILINE)


@click.command()
@click.argument("pack", type=click.Path(path_type=Path), metavar="FILE")
@data_option
@click.pass_context
def adopt(ctx: click.Context, pack: Path) -> int | None:
    """Put a pack into the data directory and name it in pdl.toml, so that the ledger there judges by it.

    The file is copied, and so is the statement that it names beside itself. A pack with errors is refused (exit 1).
    Another version of a statement stands beside the one before; a corrected reading takes its place.

    \b
    Example:
      pdl policy adopt my-organisation.toml --data /var/lib/pdl
    """
    from consumers.wiring import data_directory  # noqa: PLC0415 -- packs can be shown without a ledger

    found = load_pack(pack)
    source = Source(str(pack), found)
    if has_errors(lint(*pack_text(pack), text_for(source, None))):
        click.echo(f"pdl: {pack} has errors; see pdl policy lint {pack}. Nothing was changed.", err=True)
        return 1
    data = data_directory(ctx.find_root().obj)
    if data.exists() and not data.is_dir():
        raise Unreadable(f"{data} is a file; --data names a directory.")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = _file_name(found)
    _refuse_another_reading(data / name, found)
    settings, packs = _settings(data)
    alone = not packs
    _copy(pack, data / name)
    if found.file.statement.text is not None:
        _copy(pack.parent / found.file.statement.text, data / found.file.statement.text)
    if name not in packs:
        _write(data, settings, [*packs, name])
    click.echo(
        f"{data / name}: the ledger in {data} judges {found.name} by version {found.version}, reading {found.file.statement.reading}."
    )
    if alone:
        click.echo("Only packs that pdl.toml names are used there from now on.", err=True)
    return None


def _file_name(pack: Pack) -> str:
    version = re.sub(r"[^A-Za-z0-9.]+", "-", pack.version).strip("-.") or "1"
    return f"{pack.organisation}-{version}.toml"


def _refuse_another_reading(file: Path, pack: Pack) -> None:
    """The same version with other content must count its reading up: findings change with it."""
    if not file.exists():
        return
    before = load_pack(file)
    reading = before.file.statement.reading
    if before.file == pack.file and before.promises == pack.promises:
        return
    if pack.file.statement.reading <= reading:
        message = f"{file} is reading {reading} of version {pack.version}, and says something else; count `reading` up in yours."
        raise PolicyInvalid(message)


def _settings(data: Path) -> tuple[str, list[str]]:
    file = data / settings_of.FILE_NAME
    text = file.read_text(encoding="utf-8") if file.exists() else settings_of.FIRST_USE
    try:
        found: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise PolicyInvalid(f"{file} is not TOML ({fault}); mend it first.") from fault
    return text, [str(name) for name in found.get("packs", [])]


def _write(data: Path, text: str, packs: list[str]) -> None:
    line = f"packs = [{', '.join(json.dumps(name, ensure_ascii=False) for name in packs)}]\n"
    written = (
        _PACKS.sub(lambda _: line, text, count=1)
        if _PACKS.search(text)
        else f"{text.rstrip()}\n\n# Statements that this ledger judges by.\n{line}"
    )
    file = data / settings_of.FILE_NAME
    staged = file.with_suffix(".toml.new")
    staged.write_text(written, encoding="utf-8")
    staged.replace(file)


def _copy(source: Path, target: Path) -> None:
    if source.resolve() == target.resolve():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    except OSError as fault:
        raise PolicyInvalid(f"{source}: cannot be copied to {target} ({fault.strerror}).") from fault
