"""Files: every line once, whatever its length, its ends and its bytes; what is not a file of lines is said."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from consumers.files import ingest
from consumers.settings import Settings
from ledger.domain.envelope import BODY_BYTES_MAX
from ledger.domain.errors import BatchAlreadyRecorded, Unreadable
from ledger.service import Input, Receipt


class Sheet:
    """Records in memory what it is handed."""

    def __init__(self) -> None:
        self.marks: dict[str, int] = {}
        self.inputs: list[Input] = []
        self.batches: list[int] = []

    def mark(self, stream: str) -> int | None:
        return self.marks.get(stream)

    def record(self, inputs: Sequence[Input], stream: str, mark: int) -> Receipt:
        if mark <= self.marks.get(stream, -1):
            raise BatchAlreadyRecorded(stream)
        self.marks[stream] = mark
        self.inputs += inputs
        self.batches.append(len(inputs))
        return Receipt(len(inputs), 0, 0, (), {}, 0)

    def repeated(self, _stream: str, count: int) -> Receipt:
        return Receipt(0, count, 0, (), {}, 0)


def read(sheet: Sheet, file: Path | str, settings: Settings | None = None) -> tuple[int, int]:
    recorded = duplicate = 0

    def advance(receipt: Receipt | None, _size: int) -> None:
        nonlocal recorded, duplicate
        if receipt is not None:
            recorded += receipt.recorded
            duplicate += receipt.duplicate

    ingest(str(file), sheet, settings or Settings(), advance=advance)
    return recorded, duplicate


def written(tmp_path: Path, content: bytes, name: str = "events.jsonl") -> Path:
    file = tmp_path / name
    file.write_bytes(content)
    return file


def test_each_line_is_an_input_at_its_index(tmp_path: Path) -> None:
    sheet = Sheet()
    assert read(sheet, written(tmp_path, b'{"a":1}\n\n  \r\n{"b":2}\r\n{"c":3}')) == (3, 0)
    assert [(given.place, given.body) for given in sheet.inputs] == [(0, b'{"a":1}'), (3, b'{"b":2}'), (4, b'{"c":3}')]


def test_a_byte_order_mark_is_no_part_of_the_first_event(tmp_path: Path) -> None:
    sheet = Sheet()
    read(sheet, written(tmp_path, b"\xef\xbb\xbf{}\n"))
    assert sheet.inputs[0].body == b"{}"


def test_the_same_content_under_another_name_counts_as_duplicate(tmp_path: Path) -> None:
    sheet = Sheet()
    assert read(sheet, written(tmp_path, b"{}\n{}\n", "one.jsonl")) == (2, 0)
    assert read(sheet, written(tmp_path, b"{}\n{}\n", "two.jsonl")) == (0, 2)
    assert len(sheet.marks) == 1


def test_a_file_goes_on_behind_its_mark(tmp_path: Path) -> None:
    sheet = Sheet()
    file = written(tmp_path, b"".join(b'{"n":%d}\n' % n for n in range(10)))
    read(sheet, file)
    (stream,) = sheet.marks
    sheet.marks[stream] = 3
    sheet.inputs.clear()
    assert read(sheet, file) == (6, 4)
    assert [given.place for given in sheet.inputs] == [4, 5, 6, 7, 8, 9]


def test_batches_are_bounded_by_count_and_by_bytes(tmp_path: Path) -> None:
    sheet = Sheet()
    read(sheet, written(tmp_path, b"{}\n" * 25), Settings(batch_facts=10))
    assert sheet.batches == [10, 10, 5]
    sheet = Sheet()
    read(sheet, written(tmp_path, (b"x" * 600_000 + b"\n") * 5), Settings(batch_bytes=1_048_576))
    assert sheet.batches == [2, 2, 1]


def test_of_a_line_that_is_too_long_only_the_beginning_is_kept(tmp_path: Path) -> None:
    sheet = Sheet()
    read(sheet, written(tmp_path, b"x" * 10_000_000 + b"\n{}\n"))
    long, short = sheet.inputs
    assert BODY_BYTES_MAX < len(long.body) <= BODY_BYTES_MAX + 2
    assert long.size == 10_000_001
    assert (short.place, short.body, short.size) == (1, b"{}", None)


def test_a_line_of_exactly_the_limit_is_whole(tmp_path: Path) -> None:
    sheet = Sheet()
    read(sheet, written(tmp_path, b"x" * BODY_BYTES_MAX + b"\r\n"))
    assert len(sheet.inputs[0].body) == BODY_BYTES_MAX
    assert sheet.inputs[0].size is None


def test_nul_bytes_inside_a_line_stay_in_that_line(tmp_path: Path) -> None:
    sheet = Sheet()
    assert read(sheet, written(tmp_path, b'{"a":"\x00"}\n{}\n')) == (2, 0)


def test_an_empty_file_is_no_error(tmp_path: Path) -> None:
    assert read(Sheet(), written(tmp_path, b"")) == (0, 0)


def test_a_pipe_is_read_once_under_a_name_of_its_own(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"{}\n{}\n"))
    writer.start()
    sheet = Sheet()
    assert read(sheet, pipe) == (2, 0)
    writer.join()
    assert next(iter(sheet.marks)).startswith("stdin:")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x1f\x8b\x08rest", "gzip"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"\xff\xfe{\x00}\x00", "UTF-16"),
        (b"SQLite format 3\x00rest", "SQLite"),
        (b"\x7fELF\x00\x01\x02", "binary"),
        (b' \n[{"id":"1"}]', "JSON array"),
    ],
)
def test_what_is_no_file_of_json_lines_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    sheet = Sheet()
    with pytest.raises(Unreadable, match=said):
        read(sheet, written(tmp_path, content))
    assert not sheet.inputs


def test_a_directory_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="is a directory"):
        read(Sheet(), tmp_path)
    with pytest.raises(Unreadable, match="is not there"):
        read(Sheet(), tmp_path / "missing.jsonl")
    with pytest.raises(Unreadable, match="is a device"):
        read(Sheet(), "/dev/zero")
    with pytest.raises(Unreadable, match="cannot be opened"):
        read(Sheet(), "a\x00b")
