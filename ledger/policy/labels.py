"""How people read an id, and the forms that ids, terms and texts of a pack may have."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=80)]
RuleId = Annotated[str, Meta(pattern=r"^[A-Z]{2,6}-[0-9]{2,3}$")]
Text = Annotated[str, Meta(min_length=1, max_length=1000)]
DpvTerm = Annotated[str, Meta(pattern=r"^(dpv|pd|eu-gdpr):[A-Za-z0-9-]+$")]
CountryCode = Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
Term = Annotated[str, Meta(pattern=r"^P[0-9]+[YMWD]$|^PT[0-9]+H$")]
Basis: TypeAlias = Literal[
    "consent", "contract", "legal-obligation", "vital-interest", "public-task", "legitimate-interest"
]
How: TypeAlias = Literal["event", "clock", "load", "exception", "none"]
"""What can contradict a rule: an event, the clock, loading the pack, the failed exception to another rule, or nothing."""


_UNITS: Final = {
    "Y": (("year", "years"), ("jaar", "jaar")),
    "M": (("month", "months"), ("maand", "maanden")),
    "W": (("week", "weeks"), ("week", "weken")),
    "D": (("day", "days"), ("dag", "dagen")),
    "H": (("hour", "hours"), ("uur", "uur")),
}
_TERM: Final = re.compile(r"P(?:T(?=\d+H))?(\d+)([YMWDH])")


def spoken(term: str, language: Literal["nl", "en"]) -> str:
    """A term in words: P2Y is "2 years", P0D "at once"; what is no term comes back as it is."""
    found = _TERM.fullmatch(term)
    if found is None:
        return term
    if found[1] == "0":
        return "at once" if language == "en" else "meteen"
    one, many = _UNITS[found[2]][0 if language == "en" else 1]
    return f"{found[1]} {one if found[1] == '1' else many}"


class Label(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How people read an id: Dutch, English, and the term of the W3C Data Privacy Vocabulary that it stands for."""

    nl: Text
    en: Text
    dpv: DpvTerm
    rule: RuleId | None = None


class SchemeLabel(Label, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way to identify a person; a weak one may be shared by several people and never links by itself."""

    strong: bool = True
