"""Event to stored record and back: a clear header that rules read, and sealed sections that only a key opens.

A stored record is `0x01`, the length of the header (4 bytes, big endian), the header as JSON, and for each
section the length of its ciphertext (4 bytes) and the ciphertext. The associated data of every section are
the header's bytes, so no ciphertext fits another record. Once its key is destroyed, a ciphertext may be taken
away: its SHA-256 stays in its place, and the evidence leaf is the same. Format: docs/reference/formats.md.
"""

from __future__ import annotations

import json
import os
import re
import struct
from binascii import b2a_base64
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from msgspec import Struct

from ledger.domain.envelope import Envelope
from ledger.domain.errors import Tampered
from ledger.domain.events import BY_WIRE
from ledger.domain.facts import Fact, FactBuilder, values_of
from ledger.keys import IDENTITY, Erased, Key, KeyStore, Scope
from ledger.policy.model import UNDECLARED, UNLISTED, Pack
from ledger.shape import Kept, Shape, Shapes

MAGIC: Final = b"\x01"
ORGANISATION: Final = "organisation"
"""Dataset of events that concern no person; its key is the organisation's own."""
TOKEN_MARK: Final = "~"  # noqa: S105 - a mark in front of keyed tokens, not a secret
_NAMES_MAX: Final = 20_000
_DURATION: Final = re.compile(r"P(\d{1,4}[YMWD]){0,4}(T(\d{1,4}[HMS]){1,3})?")
_length: Final = struct.Struct(">I")
_REMOVED: Final = 0x8000_0000
"""Bit of a section's length that says: the ciphertext is gone, its SHA-256 follows."""
_DIGEST: Final = 32
_VALUES: Final = b',"values":'
_NEVER: Final[Mapping[Scope, datetime]] = MappingProxyType({})
_encode: Final = msgspec.json.Encoder().encode
_scope: Final = partial(tuple.__new__, Scope)  # Half the time of calling Scope, and made for every section.


class Record(NamedTuple):
    """One row of the log: a fact or a decision at its position (from 1, without gaps)."""

    position: int
    stream: str
    version: int
    topic: str
    state: bytes


class Section(Struct, frozen=True, array_like=True, gc=False):
    """Where one sealed part belongs: dataset and key id (commitment, hex).

    `nonce` (hex) stands only in records of 0.1.0, whose sections had one each; '' means that of the salt.
    """

    dataset: str
    key: str
    nonce: str = ""


class Header(Fact, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The clear part of a stored record: the fact, and what opening its sections needs.

    `salt` (16 random bytes, hex) keeps the leaf hash from being guessed once the record is cut down to it, and
    its first 12 bytes are the nonce of every section: no two sections of a record have the same key. `dropped` are categories whose values were not kept (the pack says so); `erased` are datasets whose key
    was destroyed before this fact arrived, so that its values were never written.
    """

    salt: str
    sections: tuple[Section, ...] = ()
    dropped: tuple[str, ...] = ()
    erased: tuple[str, ...] = ()


_header: Final = msgspec.json.Decoder(Header)


def is_decision(record: Record) -> bool:
    """Whether the ledger itself appended this record."""
    return not record.state.startswith(MAGIC)


def header_of(state: bytes) -> Header:
    """The header of a stored fact; raises Tampered where the bytes are none."""
    try:
        return _header.decode(header_bytes(state))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Tampered("a stored header cannot be read; run `pdl verify`") from error


def header_bytes(state: bytes) -> bytes:
    """The header as it was written: the associated data of every section."""
    if not state.startswith(MAGIC) or len(state) < 5:  # noqa: PLR2004 - magic and length
        raise Tampered("a stored record does not begin as one; run `pdl verify`")
    (length,) = _length.unpack_from(state, 1)
    return state[5 : 5 + length]


class Removed(NamedTuple):
    """What stays of a ciphertext that was taken away after its key was destroyed: its SHA-256."""

    digest: bytes


def ciphertexts(state: bytes) -> list[bytes | Removed]:
    """The sealed sections of a stored fact, in the order of its header."""
    (length,) = _length.unpack_from(state, 1)
    at = 5 + length
    found: list[bytes | Removed] = []
    while at < len(state):
        if at + 4 > len(state):
            raise Tampered("a stored section is cut off; run `pdl verify`")
        (size,) = _length.unpack_from(state, at)
        removed, size = size & _REMOVED, size & ~_REMOVED
        sealed = state[at + 4 : at + 4 + size]
        if removed and size != _DIGEST:
            raise Tampered("what stays of a removed section is no SHA-256; run `pdl verify`")
        found.append(Removed(sealed) if removed else sealed)
        at += 4 + size
    if at != len(state):
        raise Tampered("a stored section is cut off; run `pdl verify`")
    return found


def _sections(header: Header, state: bytes) -> Iterator[tuple[Section, bytes | Removed]]:
    """Each section with what stands for it; raises Tampered where the header names more or fewer."""
    parts = ciphertexts(state)
    if len(parts) != len(header.sections):
        raise Tampered("a stored header does not name the sections behind it; run `pdl verify`")
    return zip(header.sections, parts, strict=True)


def removed_keys(state: bytes) -> list[str]:
    """The key ids of the sections of a stored fact whose ciphertext was taken away."""
    if not any(isinstance(part, Removed) for part in ciphertexts(state)):
        return []
    return [section.key for section, part in _sections(header_of(state), state) if isinstance(part, Removed)]


def without(state: bytes, keys: Collection[str]) -> bytes:
    """A stored fact without the ciphertext of its sections under these keys; its evidence leaf stays the same."""
    pieces = [state[: 5 + _length.unpack_from(state, 1)[0]]]
    for section, part in _sections(header_of(state), state):
        if isinstance(part, Removed) or section.key in keys:
            pieces += (_length.pack(_DIGEST | _REMOVED), _digest(part))
        else:
            pieces += (_length.pack(len(part)), part)
    return b"".join(pieces)


def _digest(part: bytes | Removed) -> bytes:
    return part.digest if isinstance(part, Removed) else sha256(part).digest()


def leaf_of(stream: str, version: int, topic: str, state: bytes) -> bytes:
    """The evidence leaf as text: where the record stands, its header, the SHA-256 of each ciphertext."""
    if not state.startswith(MAGIC):
        return b"pdl/1 %b %d %b\n%b\n" % (stream.encode(), version, topic.encode(), state)
    lines = b"".join([b2a_base64(_digest(part)) for part in ciphertexts(state)])
    return b"pdl/1 %b %d %b\n%b\n%b" % (stream.encode(), version, topic.encode(), header_bytes(state), lines)


def open_section(key: Key, section: Section, sealed: bytes, salt: str, header: bytes) -> bytes:
    """What a section holds; raises Tampered where key, salt, ciphertext and header do not belong together."""
    try:
        nonce = bytes.fromhex(section.nonce) if section.nonce else nonce_of(salt)
        return key.aead.decrypt(nonce, sealed, header)
    except (InvalidTag, ValueError) as error:
        raise Tampered(
            f"a section of dataset {section.dataset} does not open with its key; run `pdl verify`"
        ) from error


def nonce_of(salt: str) -> bytes:
    """The nonce under which every section of a record is sealed: the first 12 bytes of its salt."""
    return bytes.fromhex(salt[:24])


def opened(states: Sequence[bytes], keys: KeyStore) -> Iterator[dict[str, Any | Erased]]:
    """For each stored fact its sections by dataset: the decoded content, or Erased. One query for all keys."""
    headers = [header_of(state) for state in states]
    found = keys.open({section.key for header in headers for section in header.sections})
    for state, header in zip(states, headers, strict=True):
        associated, content = header_bytes(state), {}
        for section, sealed in _sections(header, state):
            key = found[section.key]
            if isinstance(key, Key) and isinstance(sealed, Removed):
                raise Tampered(f"a section of dataset {section.dataset} is gone and its key is not; run `pdl verify`")
            content[section.dataset] = (
                key
                if isinstance(key, Erased) or isinstance(sealed, Removed)
                else _content(open_section(key, section, sealed, header.salt, associated))
            )
        yield content


def _content(plain: bytes) -> Any:
    """What a section says; a number that no machine number holds (1e999) is the text that was sent."""
    try:
        return msgspec.json.decode(plain)
    except msgspec.ValidationError:
        return json.loads(plain, parse_int=_exact, parse_float=_exact)


def _exact(number: str) -> Any:
    try:
        return msgspec.json.decode(number)
    except msgspec.ValidationError:
        return number


EVERYTHING: Final = "*"
"""What `categories` of a deletion says for all of the activity: a code of the contract, not a name."""


class _Tokens(dict[str, str]):
    """Ids as shown: those that the pack knows as they are, any other as a keyed token."""

    def __init__(self, known: frozenset[str], keys: KeyStore, organisation: str) -> None:
        super().__init__({text: text for text in known})
        self._keys = keys
        self._organisation = organisation
        self._room = len(known) + _NAMES_MAX

    def __missing__(self, text: str) -> str:
        shown = TOKEN_MARK + self._keys.token(self._organisation, text)
        if len(self) < self._room:
            self[text] = shown
        return shown


class VeiledIds:
    """How one organisation's ids may stand in clear headers (see `ledger.domain.facts.Ids`)."""

    def __init__(self, pack: Pack, keys: KeyStore) -> None:
        self._pack, self._keys = pack, keys
        self._spaces: dict[str, _Tokens] = {}
        self.keyed: Mapping[str, str] = _Tokens(frozenset(), keys, pack.organisation)
        self.people: dict[tuple[str, str, str], str | None] = {}

    def space(self, name: str) -> Mapping[str, str]:
        """Ids of one space."""
        if name not in self._spaces:
            known = frozenset(BY_WIRE) if name == "type" else self._pack.known(name)
            if name == "category":
                known |= {EVERYTHING}
            self._spaces[name] = _Tokens(known, self._keys, self._pack.organisation)
        return self._spaces[name]

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters that the pack knows, with a duration, number or truth; any other stays under the seal."""
        known = self._pack.file.parameters
        return {name: _plain(value) for name, value in given.items() if name in known}


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int) or (isinstance(value, str) and _DURATION.fullmatch(value)):
        return value
    return "given"


class _Places(dict[str, "str | None"]):
    """Category -> dataset ("activity/dataset") of one activity and class; None where values are not kept."""

    def __init__(self, pack: Pack, activity: str, class_: str | None) -> None:
        super().__init__()
        self._pack, self._activity, self._class = pack, activity, class_

    def __missing__(self, category: str) -> str | None:
        keeping = self._pack.keeping(self._activity, category, self._class)
        known = self._activity in self._pack.activities
        if keeping in {"prohibited", "not kept"}:
            place = None
        elif keeping == "unlisted" or not known:
            place = f"{self._activity if known else UNDECLARED}/{UNLISTED}"
        else:
            place = f"{self._activity}/{self._pack.dataset_of(self._activity, category)}"
        if len(self) < _NAMES_MAX:
            self[category] = place
        return place


class Draft(Struct, frozen=True, gc=False):
    """An event on its way to the seal: under which keys it is sealed, and what is left out.

    `content` is what makes it the same event when it comes again; it is compared as a MAC under the key of
    `recognised_by`, so that it can be recognised for as long as that key lives (None: never). An event with a
    `shape` is written only when it is sealed, which keeps a batch small; its values stand in `content` from
    `values_from` up to `values_to`. Any other is `written` at once.
    """

    envelope: Envelope
    content: bytes
    scopes: tuple[Scope, ...]
    recognised_by: Scope | None
    dropped: tuple[str, ...]
    written: tuple[bytes, Sequence[bytes]] = (b"", ())
    shape: Shape | None = None
    values_from: int = 0
    values_to: int = 0


class SealingDesk:
    """Seals the events of one organisation; everything that does not differ per event is worked out once."""

    def __init__(self, pack: Pack, keys: KeyStore) -> None:
        self.pack = pack
        self.ids = VeiledIds(pack, keys)
        self._builder = FactBuilder(self.ids, wire=True)
        self._clients, self._categories = self.ids.space("client"), self.ids.space("category")
        self._places: dict[tuple[str, str | None], _Places] = {}
        self._shapes = Shapes(self._builder.fields, self._by_dataset)
        self.prohibits = any(row.schemes for row in pack.file.prohibited)

    def may_not_keep(self, envelope: Envelope) -> bool:
        """Whether the statement says that the identifier of this event's subject is not kept at all."""
        data: Any = envelope.data
        return self.prohibits and self.pack.prohibits_identifier(
            data.activity or "", data.subject.scheme, data.subject.class_
        )

    def draft(self, envelope: Envelope, content: bytes) -> Draft:
        """Split an event into what is sealed under which key; its people must have been resolved before.

        `content` is its canonical form.
        """
        data: Any = envelope.data
        subject = getattr(data, "subject", None)
        person = None if subject is None else self.ids.people[(data.organisation, subject.scheme, subject.value)]
        if person is None or (self.prohibits and self.may_not_keep(envelope)):
            return self.draft_plainly(envelope, content)
        return self._draft_shaped(envelope, content, person) or self.draft_plainly(envelope, content)

    def _draft_shaped(self, envelope: Envelope, content: bytes, person: str) -> Draft | None:
        """The draft of an event about a person who is known, by its shape; None where it has none."""
        values = getattr(envelope.data, "values", None)
        start, end = _values_within(content, _encode(values)) if values else (0, 0)
        shape = None if start < 0 else self._shapes.of(envelope, values)
        if shape is None:
            return None
        # The pack's own text and not the event's: dictionaries compare what is the same object in no time.
        organisation, client = self.pack.organisation, shape.client
        identity = _scope((organisation, client, person, IDENTITY))
        scopes = [_scope((organisation, client, person, dataset)) for dataset, _ in shape.kept]
        return Draft(
            envelope,
            content,
            (identity, *scopes),
            identity,
            shape.dropped,
            shape=shape,
            values_from=start,
            values_to=end,
        )

    def _write(self, draft: Draft) -> tuple[bytes, Sequence[bytes]]:
        """The header of a draft up to what the ledger adds, without its closing brace, and the plaintext for each scope."""
        shape, envelope, content, end = draft.shape, draft.envelope, draft.content, draft.values_to
        if shape is None:
            return draft.written
        data: Any = envelope.data
        reference = None if data.reference is None else self.ids.keyed[data.reference]
        front = shape.front(envelope, content, draft.scopes[0].person, reference)
        if not end:
            return front, (content,)
        plains = [content[: draft.values_from - len(_VALUES)] + content[end:]]
        for _, categories in shape.kept:
            if len(categories) == len(data.values):
                plains.append(content[draft.values_from : end])
            else:
                plains.append(_encode({category: data.values[category] for category in categories}))
        return front, plains

    def draft_plainly(self, envelope: Envelope, content: bytes) -> Draft:
        """The draft of any event, with nothing remembered from an event before it."""
        data: Any = envelope.data
        front = _encode(self._builder.fields(envelope))[:-1]
        subject = getattr(data, "subject", None)
        values = values_of(data)
        own = (
            content
            if not values
            else _encode(msgspec.structs.replace(envelope, data=msgspec.structs.replace(data, values=None)))
        )
        if subject is None:
            scope = Scope(data.organisation, "", "", ORGANISATION)
            return Draft(envelope, content, (scope,), scope, (), (front, (own,)))
        person = self.ids.people[(data.organisation, subject.scheme, subject.value)]
        if person is None:
            return Draft(envelope, content, (), None, (), (front, ()))
        client = "" if data.client is None else self._clients[data.client]
        kept, dropped = self._by_dataset(data, values) if values else ((), ())
        scopes = [Scope(data.organisation, client, person, dataset) for dataset, _ in kept]
        plains = [_encode({category: values[category] for category in categories}) for _, categories in kept]
        if self.may_not_keep(envelope):
            return Draft(envelope, content, tuple(scopes), None, dropped, (front, plains))
        identity = Scope(data.organisation, client, person, IDENTITY)
        return Draft(envelope, content, (identity, *scopes), identity, dropped, (front, (own, *plains)))

    def _by_dataset(self, data: Any, categories: Collection[str]) -> tuple[Kept, tuple[str, ...]]:
        """Which categories of an event are kept in which dataset, and which (as shown) are not kept."""
        key = (data.activity, data.subject.class_)
        places = self._places.get(key)
        if places is None:
            places = _Places(self.pack, *key)
            if len(self._places) < _NAMES_MAX:
                self._places[key] = places
        datasets = sorted({dataset for dataset in map(places.__getitem__, categories) if dataset is not None})
        kept = tuple(
            (name, tuple(category for category in categories if places[category] == name)) for name in datasets
        )
        return kept, tuple(self._categories[category] for category in categories if places[category] is None)

    def seal(self, draft: Draft, keys: Mapping[Scope, Key | Erased], where: Place, version: int) -> tuple[bytes, bytes]:
        """Turn a draft into the state of a record and its leaf hash; erased datasets are named, their values left out."""
        late = where.erased_at
        front, plains = self._write(draft)
        live: list[tuple[Key, bytes]] = []
        sections: list[tuple[str, str]] = []
        erased: list[str] = []
        for scope, plain in zip(draft.scopes, plains, strict=True):
            key = keys[scope]
            if isinstance(key, Erased) or (late and scope in late and draft.envelope.time <= late[scope]):
                erased.append(scope.dataset)
                continue
            sections.append((scope.dataset, key.id))
            live.append((key, plain))
        salt = where.chance.take(16)
        nonce = nonce_of(salt)
        clear = b"".join(
            (
                front,
                where.recorded,
                salt.encode(),
                b'","erased":' + _encode(erased) if erased else b'"',
                b',"sections":' + _encode(sections) if sections else b"",
                b',"dropped":' + _encode(draft.dropped) if draft.dropped else b"",
                b"}",
            )
        )
        state = [MAGIC, _length.pack(len(clear)), clear]
        leaf = [where.leaf, f"{version} {draft.envelope.WIRE}\n".encode(), clear, b"\n"]
        for key, plain in live:
            sealed = key.aead.encrypt(nonce, plain, clear)
            state += (_length.pack(len(sealed)), sealed)
            leaf.append(b2a_base64(sha256(sealed).digest()))
        return b"".join(state), sha256(b"".join(leaf)).digest()


def _values_within(content: bytes, values: bytes) -> tuple[int, int]:
    """Where in the canonical form of an event its values stand (as JSON); (-1, -1) where there is a null, which is no value.

    Outside of a JSON text no quote stands without a backslash; and behind the values of an event stand no others.
    """
    start = content.rfind(_VALUES) + len(_VALUES)
    end = start + len(values)
    return (start, end) if content[start:end] == values and values.find(b":null") < 0 else (-1, -1)


class Chance:
    """Random bytes from the operating system, drawn once per batch and given out as hex."""

    def __init__(self, size: int) -> None:
        self._hex = os.urandom(size).hex()
        self._at = 0

    def take(self, size: int) -> str:
        """`size` fresh random bytes as hex; draws again when the supply is at its end."""
        at, end = self._at, self._at + 2 * size
        if end > len(self._hex):
            self._hex, at, end = os.urandom(4096).hex(), 0, 2 * size
        self._at = end
        return self._hex[at:end]


class Place(NamedTuple):
    """Where and when a batch is written, as it stands in leaf and header; its random bytes.

    `erased_at` says when keys of scopes were destroyed that may live again: an earlier fact leaves no value under them.
    """

    leaf: bytes
    recorded: bytes
    chance: Chance
    erased_at: Mapping[Scope, datetime]


def place(stream: str, recorded: datetime, chance: Chance, erased_at: Mapping[Scope, datetime] = _NEVER) -> Place:
    """Where a batch is written that is recorded into a stream at a moment (UTC)."""
    return Place(
        b"\x00pdl/1 %b " % stream.encode(),
        b',"recorded":"%b","salt":"' % recorded.isoformat().encode(),
        chance,
        erased_at,
    )
