"""Promises about how long data are kept, at most and at least, and who may set the term."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ledger.policy.filters import Ids, When
from ledger.policy.promises.base import PromiseBase


class Parameter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A term that a client sets: within bounds, and what holds when it sets none (`default` absent: no term runs)."""

    name: str
    min: str | None = None
    max: str | None = None
    default: str | None = None
    also: Ids = ()
    instead: bool = False


class Extension(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A longer term with consent, counted from the end of the ordinary one; it ends when consent does."""

    consent: str
    term: str
    rule: str


class Retention(PromiseBase, frozen=True, kw_only=True, tag="retention"):
    """Data are kept no longer than a term after a moment.

    `after` is a milestone, "collection", "stop:PURPOSE" or "instructed:destroy"; `derived` are acts that
    reach the milestone too; `whole_person` lets it count for every activity and reference. P0D is due at
    the end of the next working day. `equals_minimum`: the maximum is due on the working day after the last
    day. `unless_class` / `only_class` bind by class, `while_waiting` lists the milestone that starts and
    the one that ends a wait in which the promise does not bind; `until_milestone` ends it.
    """

    activity: str
    datasets: Ids = ()
    after: str
    term: str | None = None
    parameter: Parameter | None = None
    derived: tuple[When, ...] = ()
    whole_person: bool = False
    origin: Ids = ()
    unless_class: Ids = ()
    only_class: Ids = ()
    while_waiting: Ids = ()
    until_milestone: str | None = None
    equals_minimum: bool = False
    contract_holds: bool = False
    extend: Extension | None = None
    then: Literal["erase", "anonymise"] = "erase"
    anonymise_rule: str | None = None


class Minimum(PromiseBase, frozen=True, kw_only=True, tag="minimum"):
    """Data are kept at least a term after a milestone, and as long as a hold was placed on them.

    Without `term` only placed holds count. `also_by_category` adds rules for single categories.
    """

    activities: Ids = ()
    datasets: Ids = ()
    after: str | None = None
    term: str | None = None
    also_by_category: dict[str, str] = {}
    statutory: bool = False


class ClientParameter(PromiseBase, frozen=True, kw_only=True, tag="client-parameter"):
    """A parameter that a client may set only within bounds."""

    name: str
    min: str | None = None
    max: str | None = None
