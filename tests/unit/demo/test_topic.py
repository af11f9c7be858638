"""What is published to Kafka says the same as the line in a file, in either mode of CloudEvents."""

from __future__ import annotations

from datetime import date

from consumers.demo.topic import as_record
from consumers.demo.year import RECORDED, Year
from ledger.domain.envelope import Envelope, decode


def test_binary_mode_says_the_same_as_structured_mode() -> None:
    year = Year(people=120, end=date(2026, 11, 1))
    preferring = [message for message in year if message.binary and message.expect == RECORDED]

    assert len(preferring) > 100
    for message in preferring:
        headers, body = as_record(message)
        assert any(name == "ce_type" for name, _ in headers)
        assert decode(body, headers) == decode(message.body)


def test_a_broken_message_is_published_as_it_is() -> None:
    year = Year(people=400, end=date(2026, 11, 1))
    broken = [message for message in year if message.expect not in {RECORDED, "duplicate", "conflicting-duplicate"}]

    assert broken
    for message in broken:
        headers, body = as_record(message)
        assert body == message.body
        assert not isinstance(decode(body, headers), Envelope) or message.expect == "unknown-organisation"
