"""Publishing with kafka-python: idempotent, acknowledged by every replica, with an error for whatever was not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from consumers.kit.envelope import CloudEvent, binary, event, structured
from consumers.kit.events import Event
from consumers.kit.sealing import IngestKey

LINGER_MS: Final = 20
FLUSH_SECONDS_MAX: Final = 60.0


class Unpublished(RuntimeError):
    """So many events were not acknowledged. Publish them again with the same ids: what did arrive is a duplicate."""

    def __init__(self, ids: Sequence[str], why: str) -> None:
        super().__init__(f"{len(ids)} events were not acknowledged ({why}); publish them again with the same ids")
        self.ids: Final = tuple(ids)


class Publisher:
    """Publishes the events of one source to one topic; call it with a typed event.

    With `key` every event is sealed. `compact`: binary mode, which is smaller. `client` are further settings of
    KafkaProducer (security_protocol, ssl_cafile ...). Leaving the `with` block waits for the broker; raises
    Unpublished where it did not acknowledge everything.
    """

    def __init__(
        self,
        servers: Sequence[str],
        topic: str,
        *,
        source: str,
        key: IngestKey | None = None,
        compact: bool = False,
        **client: Any,
    ) -> None:
        from kafka import KafkaProducer  # noqa: PLC0415 -- only who publishes needs it

        self._topic, self._source, self._key = topic, source, key
        self._form = binary if compact else structured
        self._waiting: list[tuple[str, Any]] = []
        settings = {"linger_ms": LINGER_MS, "client_id": "pdl-kit"} | client
        self._producer = KafkaProducer(bootstrap_servers=list(servers), enable_idempotence=True, acks="all", **settings)

    def __call__(
        self,
        data: Event,
        *,
        event_id: str | None = None,
        time: datetime | None = None,
        sequence: int | None = None,
        partition: int | None = None,
    ) -> CloudEvent:
        """Check, seal and send one event; returns it with its id. Raises Invalid before anything is sent."""
        made = event(data, source=self._source, event_id=event_id, time=time, sequence=sequence)
        self.send(made, partition=partition)
        return made

    def send(self, made: CloudEvent, *, partition: int | None = None) -> None:
        """Send an event that was made before, perhaps once more. No message key: Kafka would keep it in the clear."""
        from kafka.errors import KafkaError  # noqa: PLC0415 -- as above

        record = self._form(made, self._key)
        try:
            sent = self._producer.send(self._topic, value=record.value, headers=record.headers, partition=partition)
        except KafkaError as error:
            raise Unpublished([made.id], type(error).__name__) from error
        self._waiting.append((made.id, sent))

    def flush(self) -> None:
        """Wait until everything is acknowledged; raises Unpublished with the ids of what was not."""
        from kafka.errors import KafkaError  # noqa: PLC0415 -- as above

        waiting, self._waiting = self._waiting, []
        why = "no answer in time"
        try:
            self._producer.flush(timeout=FLUSH_SECONDS_MAX)
        except KafkaError as error:
            why = type(error).__name__
        failed = [id_ for id_, sent in waiting if not sent.succeeded()]
        if failed:
            causes = {type(sent.exception).__name__ for _, sent in waiting if sent.exception is not None}
            raise Unpublished(failed, ", ".join(sorted(causes)) or why)

    def close(self) -> None:
        """Let go of the broker; what was not flushed may be lost."""
        self._producer.close(timeout=FLUSH_SECONDS_MAX)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.flush()
        finally:
            self.close()
