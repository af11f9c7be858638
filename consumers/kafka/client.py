"""What we need of kafka-python beyond what it does: one record that it cannot read must not stop a topic."""

from __future__ import annotations

from typing import Any, Final, SupportsIndex, overload

from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch

_SHOWN: Final = "backslashreplace"


class _Text(bytearray):
    """Bytes that are read as text whatever they are."""

    def decode(self, *_: Any) -> str:
        """UTF-8 where it is; an escape for each byte that is not."""
        return super().decode("utf-8", _SHOWN)


class _Buffer(bytearray):
    """A record as it lies there, whose parts are read as text whatever they are."""

    @overload
    def __getitem__(self, key: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, key: slice) -> bytearray: ...
    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        return _Text(part) if isinstance(key, slice) else part


class TolerantBatch(DefaultRecordBatch):  # type: ignore[misc]  # kafka-python is untyped
    """A batch in which a header's name may be any bytes: the protocol says UTF-8, brokers do not look.

    kafka-python 3.0.12 gives up the whole partition over one such name (CorruptRecordError). Only the record that fails
    is read once more, so that ordinary ones cost nothing.
    """

    _buffer: Any

    def _read_msg(self, *arguments: Any) -> Any:
        try:
            return super()._read_msg(*arguments)
        except UnicodeDecodeError:
            whole = self._buffer
            self._buffer = _Buffer(whole)
            try:
                return super()._read_msg(*arguments)
            finally:
                self._buffer = whole


def tolerate() -> None:
    """Let every consumer of this process read batches that way; the client offers no other place to say so."""
    memory_records.DefaultRecordBatch = TolerantBatch
