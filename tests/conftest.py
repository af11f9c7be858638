"""What tests of every kind share: the command `pdl` in processes of its own, and events that may be recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from consumers.postgres import database_of, postgres
from ledger.domain.errors import StoreUnavailable
from ledger.postgres import Address

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long forms run only when they are asked for (`make soak`)."""
    if os.environ.get("PDL_SOAK"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="long; make soak runs it"))


class Pdl:
    """The command `pdl` on a data directory of its own, in processes of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PDL_")}
        return kept | {"PDL_DATA": str(self.data), "PYTHONPATH": str(ROOT)} | more

    def start(self, *arguments: str, file_bytes: int | str | None = None, **environment: str) -> subprocess.Popen[str]:
        """Start it; `file_bytes` is the size that no file may pass, which is how a disk gets full here ("N:": it may be raised later)."""
        limit = ["prlimit", f"--fsize={file_bytes}"] if file_bytes is not None else []
        return subprocess.Popen(
            [*limit, sys.executable, "-m", "consumers.cli", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment(environment),
            cwd=self.data.parent,
        )

    def __call__(
        self, *arguments: str, status: int = 0, stdin: str = "", file_bytes: int | str | None = None, **environment: str
    ) -> str:
        process = self.start(*arguments, file_bytes=file_bytes, **environment)
        out, err = process.communicate(stdin, timeout=3_600 if os.environ.get("PDL_SOAK") else 120)
        assert process.returncode == status, f"{arguments[0]}: {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in err
        self.said = err
        return out

    def json(self, *arguments: str, **environment: str) -> Any:
        lines = self(*arguments, "--format", "json", **environment).splitlines()
        assert len(lines) == 1
        return json.loads(lines[0])

    def rows(self, *arguments: str) -> list[Any]:
        return [json.loads(line) for line in self(*arguments, "--format", "json").splitlines()]


@pytest.fixture
def pdl(tmp_path: Path) -> Pdl:
    """`pdl` on an empty data directory."""
    return Pdl(tmp_path / "ledger")


def event(number: int, **more: Any) -> dict[str, Any]:
    """A collection that an organisation of the built-in packs may make."""
    return {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "https://forms.example/test",
        "type": "pdl.data.collected.v1",
        "time": "2026-03-01T12:00:00+01:00",
        "data": {
            "organisation": "klantinfocus",
            "activity": "forms",
            "subject": {"scheme": "email", "value": f"person{number % 50}@canary.example", "class": "enquirer"},
            "values": {"email": f"person{number % 50}@canary.example", "message": "please call"},
            "origin": "subject",
            "system": "crm",
        },
    } | more


@pytest.fixture
def make_event() -> Callable[..., dict[str, Any]]:
    """Makes events by number."""
    return event


@pytest.fixture
def make_bodies() -> Callable[[range], list[bytes]]:
    """Makes the bytes of events by number."""
    return lambda numbers: [json.dumps(event(number)).encode() for number in numbers]


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL: PDL_TEST_POSTGRES if set, else the server that the development packages bring.

    Under CI=true its absence is a failure; elsewhere the tests that need it are skipped, loudly.
    """
    # A folder of its own directly under the system's: the server runs under an account that must reach it.
    with tempfile.TemporaryDirectory(prefix="pdl-postgres-") as folder, ExitStack() as stack:
        try:
            url = stack.enter_context(postgres(os.environ.get("PDL_TEST_POSTGRES"), Path(folder)))
        except StoreUnavailable as error:
            if os.environ.get("CI") == "true":
                pytest.fail(f"no PostgreSQL for the tests: {error}")
            warnings.warn(f"TESTS WITHOUT POSTGRESQL: {error}", pytest.PytestWarning, stacklevel=1)
            pytest.skip(f"no PostgreSQL: {error}")
        if "PDL_TEST_POSTGRES" not in os.environ:
            with psycopg.connect(url, autocommit=True) as connection:
                # Nobody pulls the plug of a server that lives as long as these tests.
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh database for one test."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield database_of(postgres_server, name)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def make_address(postgres_server: str) -> Iterator[Callable[[], Address]]:
    """Makes addresses of schemas of their own, which takes less time than a database."""
    made: list[Address] = []

    def make() -> Address:
        made.append(Address(postgres_server, f"test_{uuid.uuid4().hex[:12]}"))
        return made[-1]

    yield make
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        for address in made:
            connection.execute(f'DROP SCHEMA IF EXISTS "{address.schema}" CASCADE')
