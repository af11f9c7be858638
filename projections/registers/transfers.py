"""Transfers out of the European Economic Area (GDPR Art. 44-49)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ledger.domain.calendar import day_of
from projections.register import Ask, Register, Row, moment, presented
from projections.registers.disclosures import Disclosures


class Transfers(Register):
    """Every disclosure to a country that is not of the EEA, and what it stands on."""

    name = "transfers"
    help = "Data that went outside the EEA: to whom, where, by which adequacy decision or transfer tool, how often."
    depends = ("disclosures",)
    columns: ClassVar[tuple[str, ...]] = (
        "organisation", "client", "recipient", "country", "adequacy", "transfer_tool", "safeguarded", "activity", "purpose", "categories", "contract",
        "events", "first", "last",
    )  # fmt: skip

    @property
    def sql(self) -> dict[str, str]:
        """It has no tables of its own: it reads those of the disclosures."""
        return {}

    def rows(self, ask: Ask) -> Iterator[Row]:
        """One row per recipient and circumstances, as the last day of it is judged (contract, Reading 21)."""
        for raw in ask.select(Disclosures().sql["list"]):
            pack = ask.pack(raw["organisation"])
            day = day_of(moment(raw["last"]))
            if pack is None or not raw["country"] or pack.law.in_eea(raw["country"], day):
                continue
            decision = pack.law.adequacy(raw["country"], day)
            tool = raw["transfer_tool"] or None
            full = decision is not None and decision.covers == "full"
            safe = full or (tool is not None and (decision is not None or tool != "adequacy"))
            row = next(presented([raw], times=("first", "last"), lists=("categories",)))
            row |= {"adequacy": None if decision is None else decision.covers, "safeguarded": safe}
            yield {name: row[name] for name in self.columns}
