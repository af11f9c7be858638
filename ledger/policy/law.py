"""The law under every statement, as data: articles, rights, clocks, and what was so on a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar, final

from msgspec import Meta, Struct, field

from ledger.policy.labels import Basis, CountryCode, DpvTerm, How, Label, SchemeLabel, Term, Text

if TYPE_CHECKING:
    from ledger.policy.promises import Promise


class Article(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provision that is itself a rule where no rule of a statement covers the act.

    `how`, `assumed`, `changes` and `reason` say the same as in a rule of a statement.
    """

    id: Annotated[str, Meta(pattern=r"^GDPR-[0-9]+(\([0-9]+\))?$")]
    article: Text
    nl: Text
    en: Text
    dpv: DpvTerm
    how: How
    assumed: Text | None = None
    changes: Text | None = None
    reason: Text | None = None
    assumed_nl: Text | None = None
    changes_nl: Text | None = None
    reason_nl: Text | None = None


class BasisLabel(Label, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A lawful basis of Art. 6(1), with its letter."""

    article: Text


class ConditionLabel(Label, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A condition of Art. 9(2) for a special category."""

    article: Text


class Right(Label, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A right of the person: its article, the term to answer, and by how much it may be extended.

    `bases`: the right exists only for data on these bases (empty: on any).
    """

    article: Text
    term: Term | None = None
    extension: Term | None = None
    rolls: bool = True
    bases: tuple[Basis, ...] = ()


class Clock(Label, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A statutory term that is not the answer to a request. `rolls`: to the next working day (Reg. 1182/71)."""

    article: Text
    term: Term
    rolls: bool
    from_: Literal["aware", "collection", "received", "receipt-by-processor"] = field(name="from")


class Statute(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A law that may demand that data are kept; `term` is what it says itself, `also` how else it is cited."""

    nl: Text
    en: Text
    law: Text
    ground: Literal["17(3)(b)", "17(3)(d)", "17(3)(e)"]
    term: Term | None = None
    also: tuple[Text, ...] = ()


class Dated(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that holds for a country from the day `from` up to the day before `ended`."""

    country: CountryCode
    from_: date = field(name="from")
    ended: date | None = None
    note: Text | None = None

    def holds(self, on: date) -> bool:
        """Whether it holds on that day."""
        return self.from_ <= on and (self.ended is None or on < self.ended)


class Adequacy(Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision that a country protects data adequately.

    Partial: it covers only some recipients, so that a share must name it as its transfer tool.
    """

    name: Text
    covers: Literal["full", "partial"]
    decision: Text
    scope: Text | None = None


class Member(Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Membership of the Union, or of the EEA alone."""

    of: Literal["EU", "EEA"]


class LawFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The TOML file of the statutory layer."""

    binds_from: date
    articles: tuple[Article, ...] = field(name="article")
    bases: dict[str, BasisLabel]
    conditions: dict[str, ConditionLabel]
    rights: dict[str, Right]
    clocks: dict[str, Clock]
    channels: dict[str, Label]
    duties: dict[str, Label]
    notices: dict[str, Label]
    schemes: dict[str, SchemeLabel]
    statutes: dict[str, Statute]
    adequacy: tuple[Adequacy, ...]
    member: tuple[Member, ...]


# --- what the rest of the program asks ----------------------------------------------------------------------------------


@final
class Law:
    """The statutory layer: what applies under every statement, by date."""

    __slots__ = ("_adequacy", "_members", "articles", "file", "promises")

    def __init__(self, file: LawFile, promises: tuple[Promise, ...] = ()) -> None:
        self.file: Final = file
        self.promises: Final = promises
        self.articles: Final[Mapping[str, Article]] = MappingProxyType(
            {article.id: article for article in file.articles}
        )
        self._adequacy: Final = _by_country(file.adequacy)
        self._members: Final = _by_country(file.member)

    @property
    def binds_from(self) -> date:
        """The first day on which statutory rules are judged."""
        return self.file.binds_from

    def adequacy(self, country: str, on: date) -> Adequacy | None:
        """The decision for a country in force on that day; a full one before a partial one."""
        rows = [row for row in self._adequacy.get(country, ()) if row.holds(on)]
        return min(rows, key=lambda row: ("full", "partial").index(row.covers), default=None)

    def in_eu(self, country: str, on: date) -> bool:
        """Whether the country is part of the Union on that day."""
        return any(row.of == "EU" and row.holds(on) for row in self._members.get(country, ()))

    def in_eea(self, country: str, on: date) -> bool:
        """Whether the country is part of the European Economic Area on that day; the Union is."""
        return any(row.holds(on) for row in self._members.get(country, ()))


_Row = TypeVar("_Row", bound=Dated)


def _by_country(rows: Iterable[_Row]) -> dict[str, tuple[_Row, ...]]:
    found: dict[str, tuple[_Row, ...]] = {}
    for row in rows:
        found[row.country] = (*found.get(row.country, ()), row)
    return found
