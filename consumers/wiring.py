"""The only place that chooses: which log, which keys, which packs, which clock; everything else is told.

A data directory holds log.db, keys.db, registers.db, root/ (the slots of the root key), erasures.journal,
pdl.toml and lock. One process may write in it (where all three stores are on PostgreSQL: one may decide, several may
consume); any number may read.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click
import msgspec

from consumers import settings as settings_of
from consumers.lock import only_writer
from consumers.logs import log_as_json
from consumers.settings import Settings, read_settings
from consumers.stores import (
    KEYS,
    LOG,
    AnyLog,
    open_keys,
    open_log,
    open_registers,
    refuse_what_breaks_exactness,
    shared,
)
from ledger.access import Accesses
from ledger.decisions import DESTROYED, ErasureCase
from ledger.domain.calendar import FOREVER, late_from, local
from ledger.domain.errors import KeyMissing, LedgerError, Tampered, Unreadable
from ledger.epochs import Epochs
from ledger.erasure import REASONS, Erasures, Provision, Standing
from ledger.evidence.head import sign_head
from ledger.evidence.note import Signer
from ledger.ingest import IngestKeys
from ledger.keys import Key, KeyStore
from ledger.keys.root import FileRoots, Roots
from ledger.policy.model import Packs
from ledger.policy.packs import builtin_packs, read_pack
from ledger.sealing import header_of, is_decision
from ledger.service import Input, Ledger, Receipt
from ledger.sources import Sources
from ledger.sweep import Cell, Due, Sweeps
from projections.answers import Projections
from projections.page import COLLECTED
from projections.reach import Concerned, provision
from projections.standing import Guard
from projections.standing import Standing as Kept

DEFAULT_DATA: Final = "pdl-data"
ORIGIN: Final = "personal-data-ledger"
"""What the names of heads and verifier keys begin with; the ledger's id follows."""
JOURNAL: Final = "erasures.journal"
CONSUME: Final = "consume"
"""The command of which several may run at once."""
NEWEST_FACTS: Final = 256
"""How many facts are asked at the start whether their keys are there, at least."""
FACTS_AT_ONCE: Final = 5_000
FIRST_USE: Final = (
    "pdl: made {data}. Its settings (pdl.toml) say approval = none: whoever may run `pdl erase` can erase alone;\n"
    "pdl: and alone = true: the keys stand on this disk only, so keep {data} on a disk that you trust and back up."
)


class _Destroyed(msgspec.Struct):
    key_ids: list[str]


def now() -> datetime:
    """The clock of the house, in UTC."""
    return datetime.now(UTC)


def data_directory(given: Path | None) -> Path:
    """Where the ledger is: as given, else PDL_DATA, else ./pdl-data."""
    return given or Path(os.environ.get("PDL_DATA") or DEFAULT_DATA)


def quiet_collector() -> None:
    """Let the garbage collector look rarely: a batch makes a hundred thousand objects, and none of them is a cycle."""
    gc.set_threshold(100_000, 50, 1_000)


@dataclass(frozen=True)
class Sink:
    """What files and Kafka hand their inputs to."""

    ledger: Ledger
    repeatable: bool
    """Whether the stream may come again under another name, as a file does."""

    def mark(self, stream: str) -> int | None:
        """The last recorded offset of a stream; None when it was never read."""
        return self.ledger.log.mark(stream)

    def record(self, inputs: Sequence[Input], stream: str, mark: int) -> Receipt:
        """Record a batch and move the mark, in one transaction."""
        return self.ledger.record(inputs, stream, mark, repeatable=self.repeatable)

    def repeated(self, stream: str, count: int) -> Receipt:
        """Count inputs that the mark shows to be recorded."""
        return self.ledger.repeated(stream, count)


@dataclass(frozen=True)
class Wired:
    """An open ledger with everything that belongs to it."""

    data: Path
    settings: Settings
    packs: Packs
    log: AnyLog
    keys: KeyStore
    ledger: Ledger
    erasures: Erasures
    accesses: Accesses
    epochs: Epochs
    registers: Projections
    clock: Callable[[], datetime]
    decides: bool
    """Whether this process is the one that decides for as long as it lasts; consumers side by side are not."""

    def deciding(self, command: str) -> contextlib.AbstractContextManager[None]:
        """Alone with decisions for a moment, also beside other consumers; raises Busy while another process decides."""
        return contextlib.nullcontext() if self.decides else only_writer(self.data, command)

    @property
    def sweeps(self) -> Sweeps:
        """Runs of the retention periods."""
        return Sweeps(self.ledger, self.erasures, self.clock, self.settings.sweep_share)

    def note_log(self) -> None:
        """Let the keys know how far the log came: an older copy of them can be told, and starts have less to look at."""
        with contextlib.suppress(LedgerError):  # Not knowing costs a longer look at the next start, and nothing else.
            self.keys.saw_log(self.log.size())

    def standings(self, person: str) -> list[Standing]:
        """Where each dataset of a person stands, as the guard of every erasure reads it: what is kept here or elsewhere."""
        now = self.clock()
        guards = self.registers.guards([person], now)
        kept = [_standing(found) for found in self.registers.standings([person], now) if person in found.people]
        places = {(row.dataset, row.client) for row in kept}
        places |= {(scope.dataset, scope.client) for scope, _ in self.keys.scopes_of(person)}
        return [_guarded(dataset, client, guards) for dataset, client in sorted(places)]

    def provide(self, case: ErasureCase, places: Collection[tuple[str, str]]) -> Provision:
        """Whom an erasure must reach, and what to tell them."""
        person, pack = case.person, self.packs.get(case.organisation)
        if pack is None:
            return Provision()
        now, resolved = self.clock(), self.registers.resolved([person])
        stays = [(row.dataset, row.client, row.statute or "") for row in self.standings(person) if row.held]
        going = set(places)
        left = [scope for scope, _ in self.keys.scopes_of(person) if (scope.client, scope.dataset) not in going]
        rest = {one: self.keys.scopes_of(one) for one in resolved.people - {person}}
        names = self.ledger.names()
        tasks = provision(
            Concerned(case.id, case.organisation, person, _reason(case.reason), going, stays),
            pack,
            self.registers.person_records([person]),
            self.registers.standings([person], now),
            self.keys,
            names,
            now,
        )
        identifiers = tasks[-1].body["identifiers"]
        return Provision(
            tasks=tasks,
            schemes=tuple(sorted({scheme for scheme, _ in identifiers})),
            unlinked=len(resolved.candidates),
            others=() if left or any(rest.values()) else tuple(sorted(rest)),
        )

    def due(self, moment: datetime, organisation: str | None = None) -> tuple[list[Due], set[str]]:
        """What the ledger keeps although its terms are over at a moment, and the organisations that it keeps anything for.

        A key covers a whole dataset of a person, so it goes when the last of what it seals is past its term.
        """
        found, organisations = [], set()
        heard = {name: state.last_heard for name, state in self.log.sources().items()}
        for kept in self.registers.retention(moment, organisation):
            organisations.add(kept.organisation)
            over = kept.line.all_lapsed
            if over is not None and over <= moment and kept.erased_at is None and kept.people:
                found.append(self._due(kept, over, heard))
        return found, organisations

    def _due(self, kept: Kept, over: datetime, heard: Mapping[str, str | None]) -> Due:
        line, now = kept.line, self.clock()
        late = line.all_due or over
        every = self.packs[kept.organisation].sweep_every
        standing = next(
            (
                row
                for row in self.standings(kept.people[0])
                if (row.dataset, row.client) == (kept.place, line.client or "")
            ),
            _standing(kept),
        )
        silent: set[str] = set()
        if over <= now < over + self.settings.patience:
            sources = {fact.source for _, fact in self.registers.person_facts(kept.people)}
            silent = {name for name in sources if not name.startswith("pdl:") and (heard.get(name) or "") < _utc(over)}
        return Due(
            organisation=kept.organisation,
            person=kept.person,
            people=kept.people,
            standing=standing,
            due=late,
            rule=line.rule,
            expired=over,
            overdue=late if every is None else max(late, late_from(over, every)),
            ground=line.ground,
            anonymise=line.then == "anonymise" and line.ground == "retention",
            silent=tuple(sorted(silent)),
        )

    def cells(self, due: Due) -> set[Cell]:
        """In which cells of the counts a person stands with a dataset: by class, month of collection and category."""
        pack, place = self.packs[due.organisation], due.standing
        return {
            (fact.class_ or "", f"{local(fact.time):%Y-%m}", category)
            for _, fact in self.registers.person_facts(due.people)
            if fact.type == COLLECTED and (fact.client or "") == place.client
            for category in fact.categories
            if f"{fact.activity}/{pack.dataset_of(fact.activity or '', category)}" == place.dataset
        }

    @property
    def sources(self) -> Sources:
        """The register of who may speak."""
        return Sources(self.log, self.clock)

    @property
    def ingest_keys(self) -> IngestKeys:
        """The keys that producers seal to."""
        return IngestKeys(self.log, self.keys, self.clock)

    @property
    def signer(self) -> Signer:
        """Who signs the heads of this log."""
        return Signer(f"{ORIGIN}/{self.log.ledger_id}", self.keys.signing_seed())

    def tile(self, level: int, number: int) -> bytes:
        """A hash tile of the evidence tree; empty where there is none yet."""
        return self.log.tile(level, number) or b""

    def checkpoint(self) -> str:
        """The signed head of the log as it stands; the same for the same size, for ever."""
        size = self.log.tree_size()
        return self.log.add_checkpoint(
            size, sign_head(self.signer, size, self.tile, self.log.checkpoints()), self.clock()
        )

    @property
    def sink(self) -> Sink:
        """Where inputs go."""
        return Sink(self.ledger, repeatable=False)

    @property
    def file_sink(self) -> Sink:
        """Where inputs go whose stream may come again under another name."""
        return Sink(self.ledger, repeatable=True)


@contextlib.contextmanager
def open_ledger(
    data: Path | None = None,
    *,
    write: bool,
    command: str,
    create: bool = False,
    clock: Callable[[], datetime] = now,
) -> Iterator[Wired]:
    """The ledger in a data directory, closed again afterwards.

    `write` takes the lock (Busy when another process has it) and finishes erasures that a crash interrupted;
    `create` begins a ledger where there is none; `command` is what others are told while it lasts.
    Raises Unreadable where there is no ledger, WrongLedger where its parts do not belong together.
    """
    os.umask(0o077)  # Whatever the ledger writes is for its own account.
    logging.getLogger("kafka").addHandler(logging.NullHandler())
    logging.getLogger("kafka").propagate = False
    data = data_directory(data)
    if data.exists() and not data.is_dir():
        raise Unreadable(f"{data} is a file; --data names a directory.")
    settings = read_settings(data, os.environ)
    refuse_what_breaks_exactness(settings, os.environ)
    _prepare(data, settings, create=create)
    if settings.log == "json":
        log_as_json()
    with contextlib.ExitStack() as stack:
        # Consumers of one group write side by side where the database lets them; whoever decides is alone (ADR 15).
        decides = write and not (command == CONSUME and shared(settings))
        if write:
            quiet_collector()
        if decides:
            stack.enter_context(only_writer(data, command))
        packs = _packs(settings, data)
        # Of two that begin a ledger at once, the second would draw its root over that of the first.
        begins = create and not decides and not (data / JOURNAL).exists()
        with only_writer(data, command) if begins else contextlib.nullcontext():
            log = open_log(settings, data, create=create)
            stack.callback(log.close)
            keys = open_keys(
                settings,
                data,
                ledger_id=log.ledger_id,
                create=create and log.size() == 0,
                roots=roots_of(settings, data, log.ledger_id),
                mirror=None if settings.mirror is None else data / settings.mirror,
            )
            stack.callback(keys.close)
        check_keys(log, keys, data)
        if write:
            IngestKeys(log, keys, clock).settle()
        erasures = Erasures(log, keys, clock, rules=settings.rules)
        registers = stack.enter_context(Projections(None, log, packs, store=open_registers(settings, data)))
        ledger, accesses = Ledger(log, keys, packs, clock), Accesses(log, keys, erasures, clock)
        epochs = Epochs(keys, clock, after=timedelta(minutes=settings.epoch_minutes), tends=decides)
        wired = Wired(data, settings, packs, log, keys, ledger, erasures, accesses, epochs, registers, clock, decides)
        erasures.around = wired
        if write:
            stack.callback(wired.note_log)
            if decides:
                _resume(wired)
            epochs.tend(lambda said: click.echo(f"pdl: {said}", err=True))
        yield wired


def _resume(wired: Wired) -> None:
    """Finish what a crash interrupted, or what only had to wait; the guard reads registers that know everything."""
    erasures = wired.erasures
    if any(not erasures.waits(case) for case in erasures.open_cases()):
        wired.registers.catch_up()
    erasures.resume()


def _is_filled(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def check_keys(log: AnyLog, keys: KeyStore, data: Path, *, whole: bool = False) -> None:
    """Refuse a key database that does not belong to this state of the log; `whole` looks at every fact.

    Raises KeyMissing, with what to do.
    """
    _keys_are_there(log, keys, 0 if whole else max(min(keys.log_seen(), log.size() - NEWEST_FACTS), 0))
    _newest_erasure_stands(log, keys, data)


def roots_of(settings: Settings, data: Path, ledger_id: str) -> Roots:
    """Where the roots of a ledger are; raises Unreadable or StoreUnavailable where a token cannot be used."""
    if settings.root == "file":
        return FileRoots(data / "root")
    try:
        from ledger.keys.token import TokenRoots  # noqa: PLC0415 -- an extra, and only where it is asked for
    except ImportError as error:
        raise Unreadable("root = pkcs11 needs python-pkcs11: install personal-data-ledger[pkcs11]") from error
    file = data / (settings.pkcs11_pin_file or "")
    try:
        pin = file.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"pkcs11_pin_file {file} cannot be read") from error
    module, token = Path(settings.pkcs11_module or ""), settings.pkcs11_token or ""
    return TokenRoots(module, token, pin, label=f"pdl-root {ledger_id}")


def _keys_are_there(log: AnyLog, keys: KeyStore, after: int) -> None:
    """Refuse a key database that came back from a backup older than the log: it would say that people are unknown.

    Looks at every fact since the key database last saw how far the log was, because theirs are the keys that an
    older copy lacks; and at the newest in any case. Raises KeyMissing.
    """
    while records := log.read(after, FACTS_AT_ONCE):
        wanted: set[str] = set()
        for record in records:
            if not is_decision(record):
                with contextlib.suppress(Tampered):  # `pdl verify` says so, and must be able to.
                    wanted |= {section.key for section in header_of(record.state).sections}
        keys.open(wanted)
        after = records[-1].position


def _newest_erasure_stands(log: AnyLog, keys: KeyStore, data: Path) -> None:
    """Refuse keys that came back from a backup without the journal that would destroy them again.

    The newest destruction is the one that every older copy lacks. Raises KeyMissing.
    """
    newest = log.last_decision(DESTROYED)
    if newest is None:
        return
    try:
        destroyed = msgspec.json.decode(newest.state, type=_Destroyed).key_ids
    except msgspec.MsgspecError:
        return  # `pdl verify` says so, and must be able to.
    if any(isinstance(key, Key) for key in keys.open(destroyed).values()):
        raise KeyMissing(
            f"{data / KEYS} still holds keys that the log says were destroyed: it came back from a backup without "
            f"{data / JOURNAL}; restore the newest journal, which destroys them again"
        )


def _prepare(data: Path, settings: Settings, *, create: bool) -> None:
    elsewhere = settings.log_database is not None
    if data.is_dir() and ((elsewhere and not create) or (not elsewhere and _is_filled(data / LOG))):
        return
    if not elsewhere and _is_filled(data / KEYS):
        raise Unreadable(f"{data / LOG} is missing or empty, and its key database is not: restore the log.")
    if not create:
        raise Unreadable(
            f"there is no ledger in {data}; name its directory with --data, or begin one with `pdl ingest FILE`."
        )
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = data / settings_of.FILE_NAME
    if not file.exists():
        file.write_text(settings_of.FIRST_USE, encoding="utf-8")
        click.echo(FIRST_USE.format(data=data), err=True)


def _standing(kept: Kept) -> Standing:
    hold = kept.hold
    if hold is None:
        return Standing(kept.place, kept.line.client or "", held=False)
    until = None if hold.end is None else hold.end.isoformat()
    return Standing(kept.place, kept.line.client or "", held=True, statute=hold.statute or hold.rule, until=until)


def _utc(moment: datetime) -> str:
    """A moment as the log says when it heard a source: ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat()


def _guarded(dataset: str, client: str, guards: Iterable[Guard]) -> Standing:
    """A dataset with the duty that keeps it longest, if there is one."""
    binding = [guard.hold for guard in guards if guard.binds(dataset, client)]
    if not binding:
        return Standing(dataset, client, held=False)
    hold = max(binding, key=lambda hold: hold.end or FOREVER)
    until = None if hold.end is None else hold.end.isoformat()
    return Standing(
        dataset, client, held=True, statute=hold.statute or hold.rule, until=until, reference=hold.reference
    )


def _reason(reason: str) -> str:
    """A ground of the contract; free words stay sealed."""
    return reason if reason in REASONS else "request"


def _packs(settings: Settings, data: Path) -> Packs:
    if not settings.packs:
        return builtin_packs()
    return Packs(read_pack(data / name) for name in settings.packs)
