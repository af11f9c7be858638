"""`pdl ingest-key`: the keys that producers seal to, so that topics hold no plaintext."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consumers.cli.options import data_option, format_option, opened
from consumers.cli.render import one, rows
from ledger.domain.errors import Unreadable

if TYPE_CHECKING:
    from ledger.ingest import PublicKey


@click.group("ingest-key")
def ingest_key() -> None:
    """Make, publish and destroy the keys that producers seal to.

    Producers seal `data` to the published key (HPKE), so that a topic holds no plaintext. Older keys still open what
    was sealed to them, until they are destroyed: then old topic segments, mirrors and backups of the broker are unreadable.

    \b
    Example:
      pdl ingest-key rotate
      pdl ingest-key publish --out ingest-key.json
      pdl ingest-key destroy 1f0c2a7be4d95c31
    """


@ingest_key.command()
@data_option
@format_option
def rotate(form: str) -> None:
    """Make a new key; from now on it is the published one.

    \b
    Example:
      pdl ingest-key rotate
    """
    with opened(write=True, create=True) as wired:
        made = wired.ingest_keys.rotate()
    one(_row(made), form)
    click.echo(
        "pdl: give producers the new key (`pdl ingest-key publish`); the older ones still open what came.", err=True
    )


@ingest_key.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it to a file.")
@data_option
def publish(out: Path | None) -> None:
    """Print the public key that producers seal to, as JSON: there is nothing secret in it.

    \b
    Example:
      pdl ingest-key publish --out ingest-key.json
    """
    with opened(write=False) as wired:
        document = json.dumps(_document(wired.ingest_keys.published()), indent=2)
    if out is None:
        click.echo(document)
        return
    try:
        out.write_text(f"{document}\n", "utf-8")
    except OSError as exc:
        raise Unreadable(f"{out} cannot be written ({exc.strerror}); name another file.") from exc


@ingest_key.command("list")
@data_option
@format_option
def list_(form: str) -> None:
    """List every key that there ever was.

    \b
    Example:
      pdl ingest-key list
    """
    with opened(write=False) as wired:
        found = [_row(key) for key in wired.ingest_keys.every()]
    rows(found, form, nothing="There is no ingest key; `pdl ingest-key rotate` makes one.")


@ingest_key.command()
@click.argument("key", metavar="KEY-ID")
@data_option
@format_option
def destroy(key: str, form: str) -> None:
    """Destroy an older key: what was sealed to it and is not recorded can never be read again.

    Rotate first, let producers take the new key, and let `pdl consume` reach the end of the topics. What comes sealed
    to a destroyed key waits in quarantine as sealed-unreadable.

    \b
    Example:
      pdl ingest-key destroy 1f0c2a7be4d95c31
    """
    with opened(write=True) as wired:
        one(_row(wired.ingest_keys.destroy(key)), form)


def _row(key: PublicKey) -> dict[str, Any]:
    state = "living" if key.destroyed is None else "destroyed"
    return {"id": key.id, "state": state, "made": key.made, "destroyed": key.destroyed}


def _document(key: PublicKey) -> dict[str, Any]:
    return {
        "pdlkeyid": key.id,
        "kem": "DHKEM(X25519, HKDF-SHA256)",
        "kdf": "HKDF-SHA256",
        "aead": "AES-256-GCM",
        "mode": "base",
        "aad": "specversion|id|source|type|time",
        "public": b64encode(key.public).decode(),
        "made": key.made,
    }
