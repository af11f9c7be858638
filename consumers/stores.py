"""Where log, keys and registers of a ledger are: files of its data directory, or schemas of a PostgreSQL.

Each is chosen by a setting of its own. Root, journal and settings stay in the data directory in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consumers.settings import Settings
from ledger.domain.errors import Unreadable
from ledger.keys.root import Roots
from ledger.keys.sqlite import open_key_store
from ledger.keys.store import WrappedKeyStore
from ledger.store.sqlite import SQLiteEventLog
from projections.runner import Tables

if TYPE_CHECKING:
    from ledger.postgres import Address
    from ledger.store.postgres import PostgresEventLog

    AnyLog = SQLiteEventLog | PostgresEventLog
else:
    AnyLog = Any

LOG: Final = "log.db"
KEYS: Final = "keys.db"
REGISTERS: Final = "registers.db"
REFUSED: Final = ("POSTGRES_ENABLE_DB_FUNCTIONS",)
"""Variables of the library that break exactness."""


def shared(settings: Settings) -> bool:
    """Whether nothing that is written batch by batch is a file here, so that several processes may consume."""
    return None not in {settings.log_database, settings.keys_database, settings.registers_database}


def refuse_what_breaks_exactness(settings: Settings, environment: Mapping[str, str]) -> None:
    """Raises Unreadable where the library was told, by a variable of its own, to do what doubles or loses events."""
    for name in REFUSED:
        if settings.log_database is not None and environment.get(name, "").strip().lower() not in {
            "",
            "0",
            "no",
            "n",
            "false",
            "f",
            "off",
        }:
            raise Unreadable(
                f"{name} is set: with it the store drops the mark of a batch without a word, and the same events are "
                "recorded twice. Unset it."
            )


def open_log(settings: Settings, data: Path, *, create: bool) -> AnyLog:
    """The event log; raises StoreUnavailable where its server does not answer."""
    if settings.log_database is None:
        return SQLiteEventLog(data / LOG, create=create)
    address = _address(data, settings.log_database, settings.log_password_file, "pdl_log")
    from ledger.store.postgres import PostgresEventLog  # noqa: PLC0415 -- an extra, and only where it is asked for

    return PostgresEventLog(address, create=create)


def open_keys(
    settings: Settings, data: Path, *, ledger_id: str, create: bool, roots: Roots, mirror: Path | None
) -> WrappedKeyStore:
    """The key store; raises StoreUnavailable where its server does not answer."""
    if settings.keys_database is None:
        return open_key_store(data, ledger_id=ledger_id, create=create, roots=roots, mirror=mirror)
    address = _address(data, settings.keys_database, settings.keys_password_file, "pdl_keys")
    from ledger.keys.postgres import open_key_store_on_postgres  # noqa: PLC0415 -- as above

    return open_key_store_on_postgres(data, address, ledger_id=ledger_id, create=create, roots=roots, mirror=mirror)


def open_registers(settings: Settings, data: Path) -> Tables:
    """The tables of the registers; raises StoreUnavailable where their server does not answer."""
    if settings.registers_database is None:
        return Tables(data / REGISTERS)
    address = _address(data, settings.registers_database, settings.registers_password_file, "pdl_registers")
    from projections.postgres import PostgresTables  # noqa: PLC0415 -- as above

    return PostgresTables(address)


def places(settings: Settings, data: Path) -> dict[str, str]:
    """Where each store is, in words without secrets."""
    urls = {
        "log": (settings.log_database, LOG, "pdl_log"),
        "keys": (settings.keys_database, KEYS, "pdl_keys"),
        "registers": (settings.registers_database, REGISTERS, "pdl_registers"),
    }
    return {
        name: str(data / file) if url is None else _address(data, url, None, schema).place
        for name, (url, file, schema) in urls.items()
    }


def _address(data: Path, url: str, password_file: str | None, schema: str) -> Address:
    try:
        from ledger.postgres import Address  # noqa: PLC0415 -- as above
    except ImportError as error:
        raise Unreadable(
            "the settings name a PostgreSQL, and its client is not installed: install personal-data-ledger[postgres]"
        ) from error
    address = Address(url, schema, None if password_file is None else data / password_file)
    address.parameters()
    return address
