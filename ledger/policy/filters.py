"""One small language to say which acts a promise is about."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from msgspec import Struct

from ledger.domain.facts import Fact

Ids = tuple[str, ...]
Check = Callable[[Fact], bool]


class When(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Acts that match every line that is filled in; `not_` lines exclude.

    `type` is the wire name without "pdl." and ".v1" (data.used); `client` says whether the act was done
    on behalf of a client. A field that the act does not have matches no positive line and no negative one;
    a line of purposes matches a collection that names one of them.
    """

    type: Ids = ()
    activity: Ids = ()
    purpose: Ids = ()
    operation: Ids = ()
    origin: Ids = ()
    basis: Ids = ()
    role: Ids = ()
    system: Ids = ()
    channel: Ids = ()
    not_type: Ids = ()
    not_activity: Ids = ()
    not_purpose: Ids = ()
    not_operation: Ids = ()
    not_origin: Ids = ()
    not_basis: Ids = ()
    not_role: Ids = ()
    not_system: Ids = ()
    not_channel: Ids = ()
    client: bool | None = None


ACTS: Final = ("data.collected", "data.used", "data.shared")
"""The types that a promise about acts is about when it names none."""
_PLAIN: Final = ("operation", "origin", "basis", "role", "system", "channel")


def wire(short: str) -> str:
    """The wire name of a type as it is written in a pack."""
    return f"pdl.{short}.v1"


def purposes_of(fact: Fact) -> Ids:
    """The purposes of an act: of a use or share its one purpose, of a collection those that it names."""
    return (fact.purpose,) if fact.purpose is not None else fact.purposes


def types_of(when: When) -> tuple[str, ...]:
    """The wire names that a filter lets through."""
    return tuple(wire(short) for short in (when.type or ACTS) if short not in when.not_type)


def concerns(when: When, activity: str | None) -> bool:
    """Whether acts of an activity can match."""
    return (not when.activity or activity in when.activity) and (activity is None or activity not in when.not_activity)


def compiled(when: When) -> Check | None:
    """The rest of a filter, beyond type and activity, as a function; None where nothing is left to check."""
    wanted = [(name, frozenset(getattr(when, name))) for name in _PLAIN if getattr(when, name)]
    unwanted = [(name, frozenset(getattr(when, f"not_{name}"))) for name in _PLAIN if getattr(when, f"not_{name}")]
    purposes, not_purposes, client = frozenset(when.purpose), frozenset(when.not_purpose), when.client
    if not (wanted or unwanted or purposes or not_purposes or client is not None):
        return None

    def check(fact: Fact) -> bool:
        for name, ids in wanted:
            if getattr(fact, name) not in ids:
                return False
        for name, ids in unwanted:
            if getattr(fact, name) in ids:
                return False
        if client is not None and (fact.client is not None) is not client:
            return False
        if not (purposes or not_purposes):
            return True
        mine = purposes_of(fact)
        return (not purposes or not purposes.isdisjoint(mine)) and not (mine and not_purposes.issuperset(mine))

    return check


@cache
def matcher(when: When) -> Check:
    """The whole filter as one function."""
    check, types = compiled(when), frozenset(types_of(when))

    def match(fact: Fact) -> bool:
        return fact.type in types and concerns(when, fact.activity) and (check is None or check(fact))

    return match
