"""From a real broker to recorded, against what kafka-python alone consumes in the same run; both clients of the ledger.

Beside the clock stands the processor's time of this process: what other programs on the machine do not change.
"""

from __future__ import annotations

import random
import statistics
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from consumers.kafka.broker import kafka
from consumers.kafka.consume import Consumption, Plan
from consumers.settings import Settings
from consumers.wiring import Sink
from tests.benchmarks import write_path
from tests.benchmarks.traffic import bodies

PARTITIONS: Final = 2


class _Quiet:
    def advance(self, receipt: Any) -> None:
        """Nothing is shown."""

    def idle(self) -> None:
        """Nothing waits."""

    def say(self, sentence: str) -> None:
        """Nothing is said."""


def run(events: int, people: int, rounds: int, say: Callable[[str], None]) -> None:
    """Measure and say the ratios; medians over shuffled rounds."""
    everything = list(bodies(people * 4 + events, people))
    warm, messages = everything[: people * 4], everything[people * 4 :]
    with kafka() as address:
        topic = _published(address, messages)
        readers: dict[str, Callable[[], tuple[float, float]]] = {
            "kafka-python alone": lambda: _alone(address, topic, len(messages)),
            "recorded, kafka-python": lambda: _recorded(address, topic, warm, len(messages), "kafka-python"),
            "recorded, confluent": lambda: _recorded(address, topic, warm, len(messages), "confluent"),
        }
        taken: dict[str, list[float]] = defaultdict(list)
        worked: dict[str, list[float]] = defaultdict(list)
        for number in range(rounds):
            for name in random.Random(number).sample(sorted(readers), len(readers)):
                seconds, processor = readers[name]()
                taken[name].append(seconds)
                worked[name].append(processor)
    for name in readers:
        by_clock, by_processor = (
            statistics.median(found["kafka-python alone"]) / statistics.median(found[name]) for found in (taken, worked)
        )
        rate = events / statistics.median(taken[name])
        say(
            f"{name:<24} {rate:>9,.0f} events/s   {by_clock:.2f} of kafka-python alone, {by_processor:.2f} by processor time"
        )


def _published(address: str, messages: Sequence[bytes]) -> str:
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic(name=topic, num_partitions=PARTITIONS, replication_factor=1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=address, linger_ms=20, batch_size=256 * 1024)
    for number, body in enumerate(messages):
        producer.send(topic, body, partition=number % PARTITIONS)
    producer.flush()
    producer.close()
    return topic


def _alone(address: str, topic: str, count: int) -> tuple[float, float]:
    consumer = KafkaConsumer(
        bootstrap_servers=address,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        max_poll_records=2_000,
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
    consumer.poll(timeout_ms=0)
    started, worked, seen = time.perf_counter(), time.process_time(), 0
    while seen < count:
        seen += sum(map(len, consumer.poll(timeout_ms=500, max_records=2_000).values()))
    found = time.perf_counter() - started, time.process_time() - worked
    consumer.close()
    return found


def _recorded(address: str, topic: str, warm: Sequence[bytes], count: int, client: str) -> tuple[float, float]:
    """Seconds from the first batch to the last commit, keys warm; joining the group is not counted."""
    with write_path.folder() as path:
        ledger = write_path.open_ledger(path)
        write_path.record(ledger, warm, "warm")
        sink, moments = Sink(ledger, repeatable=False), list[tuple[float, float]]()

        class Timed:
            """Notes when the first batch came and when the last was committed."""

            def mark(self, stream: str) -> int | None:
                """The ledger's own."""
                return sink.mark(stream)

            def record(self, inputs: Any, stream: str, mark: int) -> Any:
                """Record, and note the time."""
                moments.append((time.perf_counter(), time.process_time()))
                receipt = sink.record(inputs, stream, mark)
                moments.append((time.perf_counter(), time.process_time()))
                return receipt

        plan = Plan((address,), (topic,), f"bench-{uuid.uuid4().hex}", until_end=True)
        settings = Settings(kafka_client=client)  # type: ignore[arg-type]  # one of the two
        Consumption(Timed(), plan, settings, _Quiet(), stopping=lambda: False, wait=time.sleep).run()
        assert ledger.log.size() == count + len(warm)
        (first, worked_first), (last, worked_last) = moments[0], moments[-1]
        return last - first, worked_last - worked_first
