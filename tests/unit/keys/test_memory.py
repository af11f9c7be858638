"""What the memory of processes still has of keys that were erased: found by reading it, byte by byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.keys import Identifier, Scope
from ledger.keys.root import FileRoots, Roots, _read
from ledger.keys.sqlite import open_key_store
from ledger.keys.store import WrappedKeyStore
from ledger.keys.token import TokenRoots
from ledger.keys.wrap import unwrap
from ledger.sql import as_json
from tests.softhsm import token_roots

ROOT = Path(__file__).parents[3]
GONE, STAYING = 200, 20
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

WORKER = """
import json, os, sys
from datetime import UTC, datetime
from pathlib import Path
from ledger.keys import Key, Scope
from ledger.keys.sqlite import open_key_store
from ledger.keys.token import TokenRoots

token = sys.argv[2:]
roots = TokenRoots(Path(token[0]), *token[1:3], label=token[3]) if token else None
store = open_key_store(Path(sys.argv[1]), ledger_id="a ledger", create=False, roots=roots)
scopes = [Scope(*scope) for scope in json.loads(sys.stdin.readline())]

def batch():
    # As the ledger does: keys of a batch, and something sealed under each.
    found = store.obtain(scopes)
    live = [key for key in found.values() if isinstance(key, Key)]
    for key in live:
        key.mac(key.aead.encrypt(os.urandom(12), b"a value", b"header"))
    store.open([key.id for key in live])
    return len(live)

for line in sys.stdin:
    what, number = line.split()
    if what == "batch":
        store.forget(int(number))
        print(batch(), flush=True)
    elif what == "erase":
        people = [scope.person for scope in scopes[:int(number)]]
        done = store.destroy([], people=people, case="case-1", generation=1)
        print(len(done.key_ids), flush=True)
    elif what == "close":
        print(len(store.close_epoch(at=datetime(2026, 3, 1, 12, tzinfo=UTC))), flush=True)
"""


class Worker:
    """A process that works with keys and does what it is told."""

    def __init__(self, place: Path, scopes: list[Scope], token: list[str]) -> None:
        command = [sys.executable, "-c", WORKER, str(place), *token]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self._write(json.dumps(scopes))

    def told(self, what: str, number: int = 0) -> int:
        self._write(f"{what} {number}")
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def _write(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def found(self, secrets: Iterable[bytes]) -> set[bytes]:
        """Which of these stand anywhere in the memory of the process."""
        wanted, found = set(secrets), set[bytes]()
        for part in _memory(self.process.pid):
            found |= {secret for secret in wanted - found if secret in part}
        return found

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def _memory(pid: int) -> Iterator[bytes]:
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            start, end = (int(part, 16) for part in place.split("-"))
            if "r" in rights and "[v" not in line:
                try:
                    yield os.pread(memory.fileno(), end - start, start)
                except OSError:
                    continue


@contextmanager
def _workers(place: Path, scopes: list[Scope], token: list[str]) -> Iterator[tuple[Worker, Worker]]:
    workers = Worker(place, scopes, token), Worker(place, scopes, token)
    try:
        yield workers
    finally:
        for worker in workers:
            worker.end()


def _data_keys(store: WrappedKeyStore, key_ids: Iterable[str]) -> dict[str, bytes]:
    rows = store._vault.ask("keys_by_id", as_json(key_ids))
    under = store._vault.under({row[3] for row in rows})
    return {
        key_id: bytes(unwrap(under[bucket], wrapped, store._vault.name("key", *store._vault.scope(person, shelf))))
        for person, shelf, key_id, bucket, wrapped in rows
    }


@pytest.fixture(params=["file", "pkcs11"])
def roots(request: pytest.FixtureRequest, tmp_path: Path) -> Roots:
    return FileRoots(tmp_path / "root") if request.param == "file" else token_roots()


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="memory is read through /proc")
def test_no_process_remembers_an_erased_key_a_replaced_bucket_key_or_an_old_root(tmp_path: Path, roots: Roots) -> None:
    store = open_key_store(tmp_path, ledger_id="a ledger", create=True, roots=roots)
    names = [Identifier("acme", "email", f"person-{number}@example.org") for number in range(GONE + STAYING)]
    people = store.resolve(names, create=names)
    scopes = [Scope("acme", "", str(people[name]), "forms/forms") for name in names]
    keys = store.obtain(scopes)
    ids: list[str] = [keys[scope].id for scope in scopes]  # type: ignore[union-attr]
    secrets = _data_keys(store, ids)
    gone, staying = {secrets[key_id] for key_id in ids[:GONE]}, {secrets[key_id] for key_id in ids[GONE:]}
    buckets = {
        bytes(store._vault.root().unwrap(wrapped, store._vault._bucket(number)))
        for number, wrapped in store._vault.ask("every_bucket")
    }
    slot = _read(tmp_path / "root" / "slot-1") if roots.kind == "file" else None
    old_roots = {bytes(slot[1])} if slot else set[bytes]()
    token: list[Any] = []
    if isinstance(roots, TokenRoots):
        token = [str(roots._module), roots._token, roots._pin, roots._label]
    with _workers(tmp_path, scopes, token) as (eraser, other):
        for worker in (eraser, other):
            assert worker.told("batch") == GONE + STAYING
            assert worker.found(gone | staying) == gone | staying, "this way of looking finds what is there"
            assert worker.found(buckets)
            assert worker.found(old_roots) == old_roots
        assert eraser.told("erase", GONE) == GONE
        assert eraser.told("close") == 1
        for worker in (eraser, other):
            assert worker.told("batch", 1) == STAYING
            assert len(worker.found(gone)) == 0
            assert worker.found(buckets) == set()
            assert worker.found(old_roots) == set()
            assert worker.found(staying) == staying
    store.close()
