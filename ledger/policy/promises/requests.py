"""Promises about requests of people: answered in time, refused with the remedy named, erased when said so."""

from __future__ import annotations

from msgspec import Struct

from ledger.policy.filters import Ids
from ledger.policy.promises.base import PromiseBase


class RightRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the statement says of one right: its rule, and the rule and term that it promises.

    `promised` is the rule of the promised `term` where that differs from the rule that names the right;
    `after_contract`: the right exists once the contract with the person has ended.
    """

    rule: str
    term: str | None = None
    promised: str | None = None
    words: str = ""
    promised_words: str = ""
    after_contract: bool = False


class RequestClock(PromiseBase, frozen=True, kw_only=True, tag="request-clock"):
    """Requests are answered in time; with a client they are forwarded.

    `rule` names the article of the law where the statement has no rule for a right.
    """

    rights: dict[str, RightRow] = {}
    forward_rule: str | None = None
    forward_words: str = ""
    forward_term: str = "P1M"
    refusal_also: Ids = ()
