"""How people read an id, and the forms that ids, terms and texts of a pack may have."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

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


class Label(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How people read an id: Dutch, English, and the term of the W3C Data Privacy Vocabulary that it stands for."""

    nl: Text
    en: Text
    dpv: DpvTerm
    rule: RuleId | None = None


class SchemeLabel(Label, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way to identify a person; a weak one may be shared by several people and never links by itself."""

    strong: bool = True
