"""What every promise carries, whatever its kind: whose sentence it is, and the words."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ledger.domain.facts import Fact
from ledger.policy.case import Case

Act = Callable[[Fact, Case], None]
"""Judges one act that passed the filter of its promise."""
Whole = Callable[[Case], None]
"""Judges a person, or an organisation, as a whole."""


class PromiseBase(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"):
    """One promise of one statement, or one article of the law.

    `rule` is its id and `also` the rules that a contradiction breaks at the same time; `law` the article
    (for example "5(1)(e)"); `words` a quotation that occurs exactly once in the statement; `assumed` the
    default that was chosen where the statement is silent, shown in every message; `risk` that a
    contradiction is doubtful (a risk instead of a violation).
    """

    rule: str
    also: tuple[str, ...] = ()
    law: str = ""
    words: str = ""
    assumed: str = ""
    assumed_nl: str = ""
    risk: bool = False
