"""Findings: every fact, or its absence, that contradicts a rule, beside the words of the statement."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from typing import ClassVar

from ledger.policy.findings import Finding, at, row
from projections.judgement import Judgement
from projections.register import Ask, Register, Row
from projections.registers.sources import Sources


class Findings(Register):
    """The same rows as `pdl judge` on the same events, with pseudonyms; and registered sources that fell silent."""

    name = "findings"
    help = "What contradicts the statement: rule, words, since when, made good or not, about which events and whom."
    depends = ("judgement", "sources")
    columns: ClassVar[tuple[str, ...]] = (
        "rule", "also", "law", "code", "severity", "organisation", "client", "activity", "dataset", "person", "about", "since", "until", "message",
        "words",
    )  # fmt: skip

    @property
    def sql(self) -> dict[str, str]:
        """Its rows stand in the tables of the judgement."""
        return {}

    def rows(self, ask: Ask) -> Iterator[Row]:
        """The findings that may be seen at the moment asked, ordered by since, then rule."""
        judged = (finding for _, finding in Judgement().findings(ask))
        silences = sorted(Sources().silences(ask), key=_place)
        for found in merge(judged, silences, key=_place):
            for finding in at([found], ask.now):
                made = row(finding) | {"person": finding.person, "client": finding.client, "words": finding.words}
                yield {name: made[name] for name in self.columns}


def _place(finding: Finding) -> tuple[datetime, str]:
    return finding.since, finding.rule
