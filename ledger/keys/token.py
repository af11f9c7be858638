"""Roots in a PKCS#11 token: a key that never leaves it, destroyed there when its epoch closes.

`id` of such a root is a name that the token keeps beside the key, not a commitment to it: nothing outside the token may
compute one. A wrapped key that opens under another root than its own would have to be made for that by whoever
holds both roots.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import (
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    GeneralError,
    NoSuchToken,
    PinIncorrect,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)

from ledger.domain.errors import StoreUnavailable, Tampered, Unreadable
from ledger.keys.root import Root
from ledger.keys.wrap import NONCE_SIZE, taken

_EPOCH_SIZE: Final = 8
_NAME_SIZE: Final = 16
_TAG_BITS: Final = 128
_LOCK: Final = RLock()
"""One caller at a time: a session has one operation at a time."""


class TokenRoot:
    """A root that stays in its token: it wraps and unwraps there."""

    def __init__(self, key: Any, epoch: int, name: str) -> None:
        self._key, self.epoch, self.id = key, epoch, name

    def wrap(self, secret: bytes | bytearray, name: bytes) -> bytes:
        """A secret wrapped under the root: nonce, ciphertext and tag, as everywhere."""
        nonce = os.urandom(NONCE_SIZE)
        given = bytes(secret)
        try:
            with _explained():
                return nonce + bytes(
                    self._key.encrypt(given, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, name))
                )
        finally:
            if given is not secret:
                taken(given)

    def unwrap(self, wrapped: bytes, name: bytes) -> bytearray:
        """The secret again, in a buffer to be wiped; raises Tampered."""
        nonce, ciphertext = wrapped[:NONCE_SIZE], wrapped[NONCE_SIZE:]
        try:
            with _explained():
                secret = self._key.decrypt(ciphertext, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, name))
        except _Refused as error:
            raise Tampered(
                "a wrapped key does not open in the token: its row was altered or moved; restore the key database"
            ) from error
        return taken(secret)


class TokenRoots:
    """The roots of one ledger in one token, by label; their ids are the epoch and a random name."""

    kind = "pkcs11"

    def __init__(self, module: Path, token: str, pin: str, *, label: str) -> None:
        self.place = f"the token {token}"
        self._module, self._token, self._pin, self._label = module, token, pin, label

    def held(self) -> list[Root]:
        """Every root of this ledger in the token, oldest epoch first."""
        found = [TokenRoot(key, epoch, name) for key, epoch, name in self._keys()]
        return sorted(found, key=lambda root: root.epoch)

    def make(self, epoch: int) -> Root:
        """A new root, drawn by the token; it cannot be read out, and no attribute of it can be changed."""
        self.destroy(epoch)
        name = os.urandom(_NAME_SIZE)
        with _explained():
            key = self._session().generate_key(
                KeyType.AES,
                256,
                id=epoch.to_bytes(_EPOCH_SIZE, "big") + name,
                label=self._label,
                store=True,
                capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
                template={
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                    Attribute.PRIVATE: True,
                    Attribute.MODIFIABLE: False,
                },
            )
        return TokenRoot(key, epoch, name.hex())

    def destroy(self, epoch: int) -> None:
        """Have the token destroy the root of an epoch, and see that it is gone."""
        with _explained():
            for key, its, _ in self._keys():
                if its == epoch:
                    key.destroy()
            if any(its == epoch for _, its, _ in self._keys()):
                raise StoreUnavailable(f"{self.place} still has the root of epoch {epoch}: have its keeper destroy it")

    def send(self, epoch: int, directory: Path) -> None:
        """A root does not leave its token: whoever runs the token keeps a second one."""

    def recall(self, epoch: int, directory: Path) -> None:
        """It never left."""

    def _keys(self) -> Iterator[tuple[Any, int, str]]:
        with _explained():
            objects = self._session().get_objects(
                {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: self._label}
            )
            found = [(key, bytes(key[Attribute.ID])) for key in list(objects)]
        for key, name in found:
            if len(name) == _EPOCH_SIZE + _NAME_SIZE:
                yield key, int.from_bytes(name[:_EPOCH_SIZE], "big"), name[_EPOCH_SIZE:].hex()

    def _session(self) -> Any:
        return _opened(str(self._module), self._token, self._pin)


class _Refused(StoreUnavailable):
    """The token did not do with some bytes what it was asked to: when unwrapping, they are not what it wrapped."""


@cache
def _opened(module: str, token: str, pin: str) -> Any:
    """One session a process for each token: who is logged in is a matter of the process, not of a session."""
    found = pkcs11.lib(module).get_token(token_label=token)
    try:
        return found.open(rw=True, user_pin=pin)
    except UserAlreadyLoggedIn:
        return found.open(rw=True)


def _gcm(nonce: bytes, name: bytes) -> Any:
    return pkcs11.GCMParams(nonce, name, _TAG_BITS)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn errors of the token into ours; they name the situation, never a value."""
    with _LOCK:
        try:
            yield
        except (EncryptedDataInvalid, EncryptedDataLenRange, GeneralError) as error:
            raise _Refused("the token with the root refuses to work with it; ask its keeper") from error
        except NoSuchToken as error:
            raise StoreUnavailable("the token with the root is not there: connect it, or mend pkcs11_token") from error
        except (PinIncorrect, PinLocked) as error:
            raise Unreadable("the token refuses the PIN of pkcs11_pin_file: mend it before it is locked") from error
        except PKCS11Error as error:
            if type(error) is PKCS11Error:  # How python-pkcs11 reports a library that cannot be loaded.
                raise StoreUnavailable("pkcs11_module cannot be loaded: name the library of the token") from error
            raise StoreUnavailable(f"the token with the root does not answer ({type(error).__name__})") from error
