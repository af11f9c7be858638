"""Publish sealed events with the producers' kit.

pdl ingest-key rotate
pdl ingest-key publish --out ingest-key.json
python examples/producers/publish.py 127.0.0.1:9092 personal-data ingest-key.json
pdl consume --bootstrap-servers 127.0.0.1:9092 --topic personal-data --until-end
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from consumers.kit import Publisher, events, read_key

PERSON = events.Subject(scheme="email", value="ada@example.org", class_="enquirer")


def main(server: str, topic: str, key_file: str) -> None:
    """A form is filled in, and somebody answers it."""
    key = read_key(key_file)
    with Publisher([server], topic, source="https://forms.example/klantinfocus", key=key) as publish:
        form = events.DataCollected(
            organisation="klantinfocus",
            activity="forms",
            subject=PERSON,
            values={"email": "ada@example.org", "message": "Please call me."},
            origin="subject",
            system="crm",
            channel="web-form",
        )
        made = publish(form, time=datetime(2026, 3, 1, 11, 0, tzinfo=UTC))
        publish.send(made)  # In doubt, send it again: the same event is a duplicate.
        answer = events.DataUsed(
            organisation="klantinfocus",
            activity="forms",
            subject=PERSON,
            purpose="answer-question",
            operation="contact",
            categories=("email",),
            channel="email",
        )
        publish(answer, time=datetime(2026, 3, 2, 9, 0, tzinfo=UTC))


if __name__ == "__main__":
    if len(sys.argv[1:]) != len(("server", "topic", "key file")):
        sys.exit(__doc__)
    main(*sys.argv[1:])
