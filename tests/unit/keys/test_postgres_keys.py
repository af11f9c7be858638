"""The key database on PostgreSQL: what reaches the server, and what a mirror of it is good for."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import psycopg
import pytest

from ledger.domain.errors import KeyMissing, StoreUnavailable, WrongLedger
from ledger.keys import Identifier, Key, Scope, root, store, vault, wrap
from ledger.keys.postgres import SCHEMA, open_key_store_on_postgres
from ledger.keys.sqlite import open_key_store
from ledger.keys.store import WrappedKeyStore
from ledger.postgres import Address


def begin(url: str, directory: Path, mirror: Path | None = None, *, create: bool = True) -> WrappedKeyStore:
    return open_key_store_on_postgres(
        directory, Address(url, SCHEMA), ledger_id="a ledger", create=create, mirror=mirror
    )


def filled(opened: WrappedKeyStore, people: int) -> list[Scope]:
    names = [Identifier("acme", "email", f"p{number}@example.org") for number in range(people)]
    met = opened.resolve(names, create=names)
    scopes = [Scope("acme", "", str(met[name]), "forms/forms") for name in names]
    opened.obtain(scopes, month="2026-11")
    return scopes


def ids(opened: WrappedKeyStore, scopes: list[Scope]) -> dict[Scope, str]:
    return {scope: key.id for scope, key in opened.obtain(scopes).items() if isinstance(key, Key)}


def test_neither_data_nor_write_ahead_log_nor_statement_log_has_a_key_that_opens(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reliability 14: with every statement logged, nothing unwrapped reaches the server at any time."""
    made: list[bytes] = []

    def watched(size: int = 32) -> bytearray:
        drawn = wrap.draw(size)
        made.extend(bytes(drawn[start : start + 32]) for start in range(0, size, 32))
        return drawn

    for module in (root, store, vault):
        monkeypatch.setattr(module, "draw", watched)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
        place = Path(str(connection.execute("SHOW data_directory").fetchone()[0]))  # type: ignore[index]
        opened = begin(postgres_url, tmp_path)
        scopes = filled(opened, 50)
        opened.destroy(scopes[:5], case="case-1", generation=1)
        opened.close()
        connection.execute("CHECKPOINT")
        connection.execute("ALTER SYSTEM RESET log_statement")
        connection.execute("SELECT pg_reload_conf()")
    if not place.is_dir():
        pytest.skip("the files of this PostgreSQL are elsewhere")
    stored = b"".join(file.read_bytes() for file in place.rglob("*") if file.is_file())
    assert b"INSERT INTO key" in stored, "the statement log is among what was read"
    assert len(made) > 50
    for secret in made:
        assert secret not in stored
        assert secret.hex().encode() not in stored
        assert b64encode(secret) not in stored
    assert b"p1@example.org" not in stored


def test_an_embedded_ledger_opens_the_mirror_of_a_server(postgres_url: str, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    opened = begin(postgres_url, tmp_path, mirror)
    scopes = filled(opened, 30)
    before = ids(opened, scopes)
    assert len(before) == 30
    opened._vault.database.send(mirror)
    opened.close()
    (mirror / "root").symlink_to(tmp_path / "root")
    (mirror / "erasures.journal").symlink_to(tmp_path / "erasures.journal")
    restored = open_key_store(mirror, ledger_id="a ledger", create=False)
    assert ids(restored, scopes) == before
    restored.close()


def test_two_processes_share_the_keys(postgres_url: str, tmp_path: Path) -> None:
    first = begin(postgres_url, tmp_path)
    second = begin(postgres_url, tmp_path, create=False)
    scopes = filled(first, 3)
    assert ids(second, scopes) == ids(first, scopes)
    second.destroy([scopes[0]], case="case-1", generation=1)
    first.forget(1)
    assert not isinstance(first.obtain(scopes)[scopes[0]], Key)
    first.close()
    second.close()


def test_keys_that_should_be_there_are_missing_and_never_made_anew(postgres_url: str, tmp_path: Path) -> None:
    with pytest.raises(KeyMissing):
        begin(postgres_url, tmp_path, create=False)


def test_some_other_schema_is_no_key_database(postgres_url: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        connection.execute(f"CREATE TABLE {SCHEMA}.other (a int)")
    with pytest.raises(WrongLedger):
        begin(postgres_url, tmp_path)


def test_a_server_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        begin(f"postgresql:///keys?host={tmp_path}&user=u", tmp_path)


def test_a_lost_connection_is_made_again(postgres_url: str, tmp_path: Path) -> None:
    opened = begin(postgres_url, tmp_path)
    scopes = filled(opened, 2)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    opened.forget(5)
    with pytest.raises(StoreUnavailable):
        opened.obtain(scopes)
    assert all(isinstance(key, Key) for key in opened.obtain(scopes).values())
    opened.close()
