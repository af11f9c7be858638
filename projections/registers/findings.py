"""Findings: every fact, or its absence, that contradicts a rule, beside the words of the statement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from ledger.policy.findings import at, row
from projections.judgement import Judgement
from projections.register import Ask, Register, Row


class Findings(Register):
    """The same rows as `pdl judge` on the same events, with pseudonyms."""

    name = "findings"
    help = "What contradicts the statement: rule, words, since when, made good or not, about which events and whom."
    depends = ("judgement",)
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
        for _, found in Judgement().findings(ask):
            for finding in at([found], ask.now):
                made = row(finding) | {"person": finding.person, "client": finding.client, "words": finding.words}
                yield {name: made[name] for name in self.columns}
