"""Where to read a partition on: the ledger's mark decides, and what does not fit is said, never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumers.kafka.consume import Placement, _address, place, reachable, security
from consumers.settings import Settings
from ledger.domain.errors import Unreadable, WrongLedger

NAME = "topic t, partition 0"


@pytest.mark.parametrize(
    ("mark", "begin", "end", "offset"),
    [(None, 0, 0, 0), (None, 0, 10, 0), (None, 4, 10, 4), (3, 0, 10, 4), (9, 0, 10, 10), (9, 10, 10, 10)],
)
def test_reading_goes_on_behind_the_mark(mark: int | None, begin: int, end: int, offset: int) -> None:
    assert place(mark, begin, end, NAME) == Placement(offset)


def test_what_kafka_removed_unread_is_said() -> None:
    found = place(3, 7, 10, NAME)
    assert found.offset == 7
    assert "removed offsets 4 to 6" in (found.remark or "")


def test_a_partition_that_ends_before_the_mark_is_refused() -> None:
    with pytest.raises(WrongLedger, match="lost records"):
        place(12, 0, 10, NAME)


@pytest.mark.parametrize(
    "server", ["", "localhost", "localhost:", ":9092", "localhost:nine", "localhost:0", "localhost:65536"]
)
def test_an_address_that_is_none_is_refused(server: str) -> None:
    with pytest.raises(Unreadable, match="host:port"):
        _address(server)


def test_addresses_are_read() -> None:
    assert _address("127.0.0.1:9092") == ("127.0.0.1", 9092)
    assert _address("[::1]:9092") == ("::1", 9092)


def test_nobody_listens_on_port_one() -> None:
    assert not reachable(("127.0.0.1:1",), seconds=1.0)


def test_the_password_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("a secret\n")
    found = security(Settings(kafka_security_protocol="SASL_SSL", kafka_user="pdl", kafka_password_file=str(file)))
    assert found == {"security_protocol": "SASL_SSL", "sasl_plain_username": "pdl", "sasl_plain_password": "a secret"}
    with pytest.raises(Unreadable, match="kafka_password_file"):
        security(Settings(kafka_password_file=str(tmp_path / "missing")))
