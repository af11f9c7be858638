"""Instructions and warranties of clients (GDPR Art. 28(3)(a))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import orjson

from projections.chronicle import Chronicle
from projections.register import Ask, Row


class Instructions(Chronicle):
    """What clients instructed and vouched for: parameters, destruction, warranties."""

    name = "instructions"
    help = "What clients instructed and vouched for: parameters, destruction, warranties."
    topics = ("pdl.client.instructed.v1", "pdl.warranty.given.v1")
    fields = ("instruction", "parameters", "parts", "reference", "country")
    columns: ClassVar[tuple[str, ...]] = (
        "organisation",
        "client",
        "said",
        "instruction",
        "parameters",
        "parts",
        "reference",
        "country",
        "time",
    )
    lists = ("parts",)

    def rows(self, ask: Ask) -> Iterator[Row]:
        """Parameters as an object."""
        for row in super().rows(ask):
            yield row | {"parameters": {} if row["parameters"] is None else orjson.loads(row["parameters"])}
