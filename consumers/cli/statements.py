"""What the commands of `pdl policy` share: packs by name, the texts behind them, the ledger at hand, paragraphs."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from consumers.cli import render
from consumers.cli.options import F, opened
from consumers.cli.people import named
from consumers.cli.progress import bar, steps
from ledger.domain.calendar import start_of
from ledger.domain.errors import PolicyInvalid
from ledger.policy.coverage import Tested, outcome_of
from ledger.policy.findings import Finding
from ledger.policy.layers import client_layer
from ledger.policy.model import SPACES, Pack
from ledger.policy.packs import builtin_ids, builtin_packs, load_pack
from ledger.policy.scope import judged

if TYPE_CHECKING:
    from consumers.wiring import Wired

_WIDTH_MAX: Final = 100
_ENCODINGS: Final = (
    (b"\xff\xfe", "UTF-16LE"),
    (b"\xfe\xff", "UTF-16BE"),
)


@dataclass(frozen=True)
class Source:
    """A pack and the name by which it can be read again: an id, or the path of a file."""

    name: str
    pack: Pack


def statement_option(command: F) -> F:
    """`--statement FILE`."""
    return click.option(
        "--statement",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Text of the published statement, to show whole sentences and to check every citation.",
    )(command)


def language_option(command: F) -> F:
    """`--language nl|en`."""
    return click.option(
        "--language", type=click.Choice(["nl", "en"]), default="en", show_default=True, help="Language of labels."
    )(command)


def sources(org: str | None, ledger: AtHand | None = None) -> tuple[Source, ...]:
    """The packs that ORG stands for: a file, an organisation of the ledger at hand, or a built-in one; without ORG, all.

    Raises PolicyInvalid with what to do.
    """
    there = {} if ledger is None else ledger.sources
    if org is None:
        return tuple(there.values()) or tuple(Source(id_, pack) for id_, pack in builtin_packs().items())
    if org in there:
        return (there[org],)
    name = pack_name(org)
    return (Source(name, load_pack(name)),)


def pack_name(org: str) -> str:
    """The id of a built-in pack as it is; a file, however it is called, so that it is taken for one."""
    is_file = not org.endswith(".toml") and "/" not in org and org not in builtin_ids() and Path(org).is_file()
    return f"./{org}" if is_file else org


def text_for(source: Source, given: Path | None) -> str | None:
    """The text of the statement: the file that was given, or the one that the pack names beside itself."""
    if given is not None:
        return read_text(given)
    named = source.pack.file.statement.text
    return None if named is None else read_text(Path(source.name).parent / named)


def read_text(path: Path) -> str:
    """A statement as text, whatever its line ends, without a byte order mark. Raises PolicyInvalid with what to do."""
    try:
        body = path.read_bytes()
    except IsADirectoryError as fault:
        raise PolicyInvalid(f"{path} is a directory; name the text file of the statement.") from fault
    except OSError as fault:
        raise PolicyInvalid(
            f"{path}: cannot be read ({fault.strerror}); name the text file of the statement."
        ) from fault
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        found = next((name for mark, name in _ENCODINGS if body.startswith(mark)), "WINDOWS-1252")
        message = f"{path}: is not UTF-8; save it as UTF-8, perhaps by: iconv -f {found} -t UTF-8 {path.name}"
        raise PolicyInvalid(message) from fault
    if "\0" in text:
        raise PolicyInvalid(f"{path}: is no text; save the statement as plain text in UTF-8.")
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def wrapped(lead: str, text: str) -> None:
    """Write a paragraph behind a lead, within the terminal and 100 columns; further lines are indented under it."""
    room = min(render.width(), _WIDTH_MAX)
    lines = textwrap.wrap(render.readable(text), max(room - len(lead), 20), break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        click.echo(f"{lead if number == 0 else ' ' * len(lead)}{line}".rstrip())


def article(law: str) -> str:
    """How an article is cited: of the Regulation by its number, of another law by its name."""
    return f"Art. {law}" if law[:1].isdigit() else law


def entry(name: str, text: str, *, indent: int = 0, width: int = 16) -> None:
    """Write a name and the paragraph beside it; a name that is too long for its column has a line of its own."""
    lead = f"{' ' * indent}{name}"
    if len(lead) >= indent + width:
        click.echo(lead)
        lead = ""
    wrapped(f"{lead:<{indent + width}}", text)


# --- the ledger at hand ---------------------------------------------------------------------------------------------------


class AtHand:
    """A ledger whose registers have caught up, as a statement is put to the test on it."""

    def __init__(self, wired: Wired) -> None:
        self._wired = wired
        files = [str(wired.data / name) for name in wired.settings.packs]
        found = [Source(name, load_pack(name)) for name in files or builtin_ids()]
        newest = {source.pack.organisation: source.name for source in sorted(found, key=_age)}
        # The pack of the ledger knows the versions before it, which judge what happened in their time.
        self.sources: Mapping[str, Source] = {
            organisation: Source(name, wired.packs[organisation]) for organisation, name in newest.items()
        }

    @property
    def name(self) -> str:
        """Where it is."""
        return str(self._wired.data)

    @property
    def now(self) -> datetime:
        """The clock of the house."""
        return self._wired.clock()

    def tested(self, packs: Sequence[Pack]) -> dict[str, Tested]:
        """What came of each rule of these packs, by organisation."""
        wired, now = self._wired, self.now
        with bar("counting") as shown:
            counts = judged(packs, (fact for fact in wired.registers.facts(steps(shown)) if fact.time <= now))
        return {pack.organisation: outcome_of(counts[pack.organisation], self._of_version(pack, now)) for pack in packs}

    def _of_version(self, pack: Pack, now: datetime) -> Iterator[Finding]:
        """The findings since a version took effect; where it is the only one, all."""
        since = start_of(pack.effective_from) if pack.earlier else None
        for finding in self._wired.registers.findings(now, pack.organisation):
            if since is None or finding.since >= since:
                yield finding

    def findings(self, organisation: str, now: datetime) -> list[Finding]:
        """The findings of the statement in force, as they stand at a moment."""
        return list(self._wired.registers.findings(now, organisation))

    def instructed(self, pack: Pack) -> list[dict[str, Any]]:
        """What the clients of an organisation set, and what therefore applies."""
        rows = self._wired.registers.rows("instructions", now=self.now, organisation=pack.organisation)
        return list(client_layer(pack, named(self._wired, rows)))

    def tried(self, pack: Pack, now: datetime) -> list[Finding]:
        """What another pack would find; ids that only it lists are recognised by their tokens."""
        token = self._wired.keys.token
        ids = {id_ for space in SPACES for id_ in pack.known(space)}
        names = {f"~{token(pack.organisation, id_)}": id_ for id_ in ids}
        with bar("trying") as shown:
            return list(self._wired.registers.tried(pack, names, now, steps(shown)))


def _age(source: Source) -> tuple[date, int]:
    return source.pack.effective_from, source.pack.file.statement.reading


@contextmanager
def at_hand(*, needed: bool | None = None, only: Sequence[str] | None = None) -> Iterator[AtHand | None]:
    """The ledger that --data, PDL_DATA or ./pdl-data names; None where nobody named one and there is none.

    `needed`: True raises Unreadable where there is none, False opens none at all. `only`: the registers that will be
    asked, so that nothing else is waited for.
    """
    from consumers.stores import LOG  # noqa: PLC0415 -- packs show without a ledger
    from consumers.wiring import DEFAULT_DATA, data_directory  # noqa: PLC0415 -- as above

    given = click.get_current_context().find_root().obj
    found = data_directory(given)
    is_there = given is not None or found != Path(DEFAULT_DATA) or (found / LOG).exists()
    if needed is False or (needed is None and not is_there):
        yield None
        return
    with opened(write=False) as wired:
        with bar("registers follow") as shown:
            wired.registers.catch_up(steps(shown), only=only)
        yield AtHand(wired)
