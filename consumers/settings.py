"""One frozen object says how this ledger runs: pdl.toml of the data directory, and PDL_* variables over it.

Each field carries its help; unknown keys, wrong types and values out of range are refused with the place
where they stand.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from ledger.domain.calendar import Duration, duration
from ledger.domain.errors import Unreadable
from ledger.erasure import Rules

FILE_NAME: Final = "pdl.toml"
PREFIX: Final = "PDL_"
NOT_SETTINGS: Final = frozenset({"PDL_DATA", "PDL_DEBUG", "PDL_TEST_KAFKA", "PDL_TEST_POSTGRES"})
"""Variables that say where a ledger or a test broker is, not how a ledger runs."""


_DURATION: Final = r"^P(\d{1,4}[YMWD]){0,4}(T\d{1,4}H)?$"


def _help(text: str, **limits: Any) -> Meta:
    return Meta(description=text, **limits)


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one ledger runs; see `reference()` for the table of the documentation."""

    approval: Annotated[
        Literal["none", "two-people", "cooling-off"],
        _help(
            "Who must agree to an erasure beside the one who asks. `none`: nobody; `two-people`: two approvers sign "
            "(`pdl approver`, `pdl case approve`); `cooling-off`: nobody, after a wait. Every certificate says which."
        ),
    ] = "none"
    cooling_off: Annotated[
        str,
        _help("How long an order waits under approval = cooling-off.", pattern=_DURATION),
    ] = "P3D"
    answer_term: Annotated[
        str,
        _help(
            "How long the tasks of a case stay readable while systems and recipients have not all answered; then "
            "the case's own key is destroyed.",
            pattern=_DURATION,
        ),
    ] = "P30D"
    orders_topic: Annotated[
        str,
        _help("Kafka topic for delete orders and messages of Art. 19.", min_length=1, max_length=249),
    ] = "pdl-orders"
    alone: Annotated[
        bool,
        _help(
            "True: the keys have no mirror, so a lost disk is lost data, and every erasure says so. "
            "False: `mirror` is where they are kept as well."
        ),
    ] = True
    mirror: Annotated[
        str | None,
        _help(
            "Folder on another disk that has the key database and its root as well. Before an epoch closes its new "
            "state is there; while the folder is not there, no epoch closes. Needs alone = false."
        ),
    ] = None
    epoch_minutes: Annotated[
        int,
        _help(
            "How long after an erasure its epoch closes, by whoever writes next; then the erasure is irreversible.",
            ge=0,
            le=1_440,
        ),
    ] = 15
    root: Annotated[
        Literal["file", "pkcs11"],
        _help("Where the root key is: in root/ beside the keys, or in a PKCS#11 token. Choose before the first event."),
    ] = "file"
    pkcs11_module: Annotated[str | None, _help("Library of the token, a path ending in .so.")] = None
    pkcs11_token: Annotated[str | None, _help("Label of the token.")] = None
    pkcs11_pin_file: Annotated[
        str | None, _help("File whose first line is the PIN of the token: secrets are files, never variables.")
    ] = None
    log_database: Annotated[
        str | None,
        _help(
            "PostgreSQL that has the event log, as a libpq URL without password (postgresql://user@host/database). "
            "Empty: a file of the data directory. Choose before the first event."
        ),
    ] = None
    log_password_file: Annotated[str | None, _help("File whose first line is the password for log_database.")] = None
    keys_database: Annotated[
        str | None,
        _help(
            "PostgreSQL that has the wrapped keys, as a libpq URL without password (postgresql://user@host/database). "
            "Empty: a file of the data directory. Choose before the first event."
        ),
    ] = None
    keys_password_file: Annotated[str | None, _help("File whose first line is the password for keys_database.")] = None
    registers_database: Annotated[
        str | None,
        _help(
            "PostgreSQL that has the registers, as a libpq URL without password (postgresql://user@host/database). "
            "Empty: a file of the data directory. May change at any time: `pdl rebuild` fills it."
        ),
    ] = None
    registers_password_file: Annotated[
        str | None, _help("File whose first line is the password for registers_database.")
    ] = None
    batch_facts: Annotated[
        int, _help("How many inputs are decoded, sealed and committed together.", ge=1, le=50_000)
    ] = 2_000
    batch_bytes: Annotated[
        int,
        _help("A batch ends earlier when its inputs reach this many bytes.", ge=1_048_576, le=268_435_456),
    ] = 16_777_216
    sweep_share: Annotated[
        float,
        _help(
            "The brake: automatic runs that reach more than this share of the people of an organisation on one day "
            "(and more than 100) stop until two people agree.",
            ge=0,
            le=1,
        ),
    ] = 0.25
    source_patience: Annotated[
        str,
        _help(
            "How long a sweep leaves a dataset whose term is over while a source of it was not heard since: a later "
            "contact may be on its way. P0D: not at all.",
            pattern=_DURATION,
        ),
    ] = "P7D"
    packs: Annotated[
        tuple[str, ...],
        _help("Policy packs: files, absolute or beside pdl.toml. Empty: the built-in ones."),
    ] = ()
    kafka_client: Annotated[
        Literal["kafka-python", "confluent"],
        _help("What reads from Kafka. `confluent` is faster and needs the extra `fast` (a compiled library)."),
    ] = "kafka-python"
    kafka_group: Annotated[
        str, _help("Consumer group of `pdl consume` where --group is absent.", min_length=1, max_length=200)
    ] = "pdl"
    kafka_session_seconds: Annotated[
        int,
        _help("After how long without a heartbeat Kafka gives a consumer's partitions to another.", ge=1, le=1_800),
    ] = 10
    kafka_patience_seconds: Annotated[
        int,
        _help(
            "How long --until-end waits for a broker or database that went away before it gives up.", ge=0, le=86_400
        ),
    ] = 60
    kafka_stall_seconds: Annotated[
        int,
        _help("How long a partition may stand still behind an open transaction before it is said.", ge=1, le=3_600),
    ] = 30
    log: Annotated[
        Literal["text", "json"],
        _help("How `pdl` tells how it goes on standard error: sentences, or one JSON object a batch and a decision."),
    ] = "text"
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        _help("How to speak to the broker."),
    ] = "PLAINTEXT"
    kafka_ca_file: Annotated[str | None, _help("Certificates that the broker's own must be signed by (PEM).")] = None
    kafka_certificate_file: Annotated[str | None, _help("Our certificate, where the broker asks for one (PEM).")] = None
    kafka_key_file: Annotated[str | None, _help("The private key of our certificate (PEM).")] = None
    kafka_sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None,
        _help("How to log in at the broker."),
    ] = None
    kafka_user: Annotated[str | None, _help("Name to log in at the broker with.")] = None
    kafka_password_file: Annotated[
        str | None, _help("File whose first line is the password: secrets are files, never variables.")
    ] = None

    @property
    def patience(self) -> timedelta:
        """How long a sweep waits for a silent source; months count as 30 days."""
        length = duration(self.source_patience) or Duration()
        return timedelta(days=30 * length.months + length.days, hours=length.hours)

    @property
    def rules(self) -> Rules:
        """How erasures are agreed to and followed up."""
        return Rules(self.approval, self.alone, self.cooling_off, self.answer_term)


FIRST_USE: Final = """\
# Settings of this ledger; `pdl` made this file at first use. Every setting may also be given as PDL_NAME.

# Who must agree to an erasure beside the one who asks for it.
# "none": nobody. Whoever may run `pdl erase` here can erase alone, and every erasure says so.
# "two-people": two approvers sign. "cooling-off": nobody, after the wait of cooling_off.
approval = "none"

# True: the keys stand on this disk alone. Losing it loses the data, and no mirror is asked before an erasure is
# made irreversible. False: `mirror` names a folder on another disk that has them as well.
alone = true
"""


def reference() -> list[tuple[str, str, str]]:
    """(name, default, help) of each setting, for the documentation."""
    rows = []
    for field in msgspec.structs.fields(Settings):
        meta = next(
            part
            for part in get_args(get_type_hints(Settings, include_extras=True)[field.name])
            if isinstance(part, Meta)
        )
        rows.append((field.name, msgspec.json.encode(field.default).decode(), meta.description or ""))
    return rows


def read_settings(data: Path, environment: Mapping[str, str]) -> Settings:
    """The settings of the ledger in `data`: its pdl.toml, if there is one, under the PDL_* variables.

    Raises Unreadable with the file or variable and the name of what is wrong in it; never with a value.
    """
    file = data / FILE_NAME
    found = _from_file(file)
    _checked(found, str(file))
    overrides = _from_environment(environment)
    return _checked(found | overrides, "the environment (PDL_*)" if overrides else str(file))


def _from_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as exc:
        where = re.search(r"\(at .*\)", str(exc))
        raise Unreadable(
            f"{file} is not TOML {where.group() if where else ''}: mend it, or remove it to start from the defaults."
        ) from exc
    except UnicodeDecodeError as exc:
        raise Unreadable(f"{file} is not UTF-8: save it as UTF-8.") from exc


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    hints = get_type_hints(Settings)
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in hints:
            raise Unreadable(f"{variable} is not a setting: unset it, or see {FILE_NAME} for the names.")
        found[name] = _typed(text, hints[name], variable)
    return found


def _typed(text: str, kind: Any, variable: str) -> Any:
    if get_origin(kind) is tuple:
        return tuple(part for part in text.split(os.pathsep) if part)
    wanted = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind)
    if wanted is not None:
        try:
            return msgspec.json.decode(text.strip().lower(), type=kind)
        except msgspec.MsgspecError as exc:
            raise Unreadable(f"{variable} must be {wanted}.") from exc
    return text


def _checked(found: dict[str, Any], where: str) -> Settings:
    try:
        settings = msgspec.convert(found, Settings)
    except msgspec.ValidationError as exc:
        raise Unreadable(f"{where}: {_explained(str(exc))}") from exc
    if not settings.alone and settings.mirror is None:
        raise Unreadable(
            f"{where}: alone = false needs a mirror of the keys: name a folder on another disk as `mirror`, "
            "or set alone = true."
        )
    if settings.root == "pkcs11" and not (
        settings.pkcs11_module and settings.pkcs11_token and settings.pkcs11_pin_file
    ):
        raise Unreadable(f"{where}: root = pkcs11 needs pkcs11_module, pkcs11_token and pkcs11_pin_file.")
    if settings.alone and settings.mirror is not None:
        raise Unreadable(f"{where}: with a `mirror` the keys do not stand alone; set alone = false.")
    return settings


def _explained(message: str) -> str:
    """The message of msgspec with the name first and without the value."""
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
    if unknown:
        return f"`{unknown.group(1)[:60]}` is not a setting; remove it or mend the name."
    what, _, path = message.partition(" - at ")
    name = path.strip("`").removeprefix("$.")
    what = re.sub(r"Invalid enum value .*", f"may be {' or '.join(_choices(name)) or 'another value'}", what)
    what = re.sub(r"Expected `str` matching regex .*", "write a duration, such as P3D, P2W, P1M or PT12H", what)
    return f"`{name}`: {what}."


def _choices(name: str) -> list[str]:
    """The words that a setting may have, where it is one of some words."""
    kind = get_type_hints(Settings).get(name)
    return [f'"{word}"' for word in get_args(kind) if isinstance(word, str)]
