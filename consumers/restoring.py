"""Rehearsing a restore: open copies of a set of files as the ledger would, and say what would come of it.

Nothing is touched: log, keys and journal are copied to a temporary folder and opened there, the root is only read.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from consumers.stores import KEYS, LOG
from consumers.wiring import JOURNAL, check_keys
from ledger.decisions import DESTROYED
from ledger.domain.errors import LedgerError, Unreadable
from ledger.keys import KeyStatus
from ledger.keys.journal import Journal
from ledger.keys.root import Roots
from ledger.keys.sqlite import open_key_store
from ledger.store.sqlite import SQLiteEventLog

ROOT: Final = "root"
PARTS: Final = (LOG, KEYS, ROOT, JOURNAL)


class Finding(NamedTuple):
    """What one part is found to be, and whether it fits the rest."""

    part: str
    path: str
    found: str
    fits: bool


class Rehearsal(NamedTuple):
    """What a restore would come to."""

    findings: tuple[Finding, ...]
    fits: bool
    log_records: int | None = None
    keys: int | None = None
    epoch: int | None = None
    erased_again: int | None = None


def gathered(data: Path, sources: tuple[Path, ...]) -> dict[str, Path]:
    """Where each part comes from: the last source that has it, else the data directory."""
    return {
        part: next((source / part for source in reversed(sources) if (source / part).exists()), data / part)
        for part in PARTS
    }


def rehearse(parts: Mapping[str, Path], roots_of: Callable[[str], Roots]) -> Rehearsal:
    """Open copies of these files together, replay the journal, and look for every key that the log names.

    `roots_of` knows where the roots of a ledger are, by its id.
    """
    with tempfile.TemporaryDirectory(prefix="pdl-rehearsal-") as name:
        copy = Path(name)
        findings: list[Finding] = []
        for part in (LOG, KEYS, JOURNAL):
            if not _copied(parts[part], copy):
                missing = "missing" if part != JOURNAL else "missing: erasures since the backup could not be repeated"
                findings.append(Finding(part, str(parts[part]), missing, fits=False))
        if findings:
            return Rehearsal(tuple(findings), fits=False)
        return _opened(parts, copy, roots_of)


def _opened(parts: Mapping[str, Path], copy: Path, roots_of: Callable[[str], Roots]) -> Rehearsal:
    findings: list[Finding] = []

    def found(part: str, text: str, *, fits: bool = True) -> None:
        findings.append(Finding(part, str(parts[part]), text, fits))

    part, size = LOG, None
    try:
        log = SQLiteEventLog(copy / LOG, create=False)
        try:
            size = log.size()
            found(LOG, f"{size:,} records of ledger {log.ledger_id}, {len(log.decisions(DESTROYED)):,} erasures in it")
            part = JOURNAL
            entries = Journal(copy / JOURNAL).entries()
            part = ROOT
            roots = roots_of(log.ledger_id)
            held = roots.held()
            found(
                ROOT,
                f"{roots.kind}: {roots.place}, epoch {', '.join(str(root.epoch) for root in held) or 'none'}",
                fits=bool(held),
            )
            part = KEYS
            before, after, seen = _keys(copy, log, roots)
            found(JOURNAL, f"{len(entries):,} erasures; {before - after.keys:,} keys would be destroyed again")
            found(
                KEYS, f"epoch {after.epoch}, {after.keys:,} live keys; every key that the log names is there or erased"
            )
            if seen > size:
                found(
                    LOG, f"the keys saw {seen:,} records: the last {seen - size:,} are lost with this log", fits=False
                )
        finally:
            log.close()
    except LedgerError as trouble:
        found(part, str(trouble).replace(str(copy / part), str(parts[part])), fits=False)
        return Rehearsal(tuple(findings), fits=False, log_records=size)
    return Rehearsal(
        tuple(findings),
        fits=all(row.fits for row in findings),
        log_records=size,
        keys=after.keys,
        epoch=after.epoch,
        erased_again=before - after.keys,
    )


def _keys(copy: Path, log: SQLiteEventLog, roots: Roots) -> tuple[int, KeyStatus, int]:
    """How many keys the copy had before the journal was replayed, how it stands after, and how long a log it saw."""
    journal, kept = copy / JOURNAL, copy / "kept"
    journal.rename(kept)
    keys = open_key_store(copy, ledger_id=log.ledger_id, create=False, roots=roots)
    try:
        before = keys.status().keys
    finally:
        keys.close()
    kept.rename(journal)
    keys = open_key_store(copy, ledger_id=log.ledger_id, create=False, roots=roots)
    try:
        check_keys(log, keys, copy, whole=True)
        return before, keys.status(), keys.log_seen()
    finally:
        keys.close()


def _copied(path: Path, folder: Path) -> bool:
    """Copy a file, and what SQLite may keep beside it."""
    if not path.is_file():
        return False
    try:
        for beside in ("", "-wal"):
            source = path.with_name(path.name + beside)
            if source.is_file():
                shutil.copyfile(source, folder / source.name)
    except OSError as error:
        raise Unreadable(f"{path} cannot be copied for the rehearsal: {error.strerror}") from error
    return True
