"""A real Apache Kafka on this machine, for tests and for `make demo KAFKA=1`: one node, loopback, gone afterwards.

Tried in this order: an address that is given; a container engine that runs; the jars that Maven fetches
into a cache folder of the project (Java 17). Nothing outside that folder and a temporary one is written.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ledger.domain.errors import StoreUnavailable

VERSION: Final = "4.1.1"
POM: Final = Path(__file__).with_name("pom.xml")
CACHE: Final = Path(".cache") / "kafka"
START_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 15.0
DOWNLOAD_SECONDS_MAX: Final = 900.0
RECORD_BYTES_MAX: Final = 16 * 1024 * 1024


def free_port() -> int:
    """A TCP port of the loopback address that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(host: str, port: int, *, seconds: float = 1.0) -> bool:
    """Whether something accepts connections there; a name that does not resolve does not."""
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return True
    except OSError:
        return False


def properties(port: int, controller_port: int, logs: Path) -> str:
    """The settings of one node that is broker and controller, quick to start and generous to large records."""
    listeners = f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}"
    return "\n".join(
        (
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{controller_port}",
            f"listeners={listeners}",
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}",
            "controller.listener.names=CONTROLLER",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            f"log.dirs={logs}",
            "auto.create.topics.enable=false",
            "offsets.topic.num.partitions=1",
            "offsets.topic.replication.factor=1",
            "transaction.state.log.num.partitions=1",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "share.coordinator.state.topic.replication.factor=1",
            "share.coordinator.state.topic.min.isr=1",
            "group.initial.rebalance.delay.ms=0",
            "group.min.session.timeout.ms=1000",
            f"message.max.bytes={RECORD_BYTES_MAX}",
            f"replica.fetch.max.bytes={RECORD_BYTES_MAX}",
            f"socket.request.max.bytes={RECORD_BYTES_MAX * 2}",
            "",
        ),
    )


def jars(cache: Path = CACHE) -> Path:
    """The folder with Kafka's jars; fetched once by Maven, by one process at a time.

    Raises StoreUnavailable where Java or Maven is missing or the download fails.
    """
    libs = cache.absolute() / f"libs-{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not libs.is_dir():
            _download(libs, cache.absolute())
    return libs


def _download(libs: Path, cache: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise StoreUnavailable(
            "Apache Kafka is not here and Maven (mvn) is missing: install Maven, or give a broker's address."
        )
    partial = libs.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [maven, "-q", "-B", "-f", str(POM), f"-Dmaven.repo.local={cache / 'm2'}", "dependency:copy-dependencies"]
    try:
        done = subprocess.run(  # noqa: S603 -- our own pom, no shell
            [*command, f"-DoutputDirectory={partial}"],
            cwd=cache,
            capture_output=True,
            check=False,
            timeout=DOWNLOAD_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired as exc:
        raise StoreUnavailable(
            "Maven took too long to fetch Apache Kafka; run it again, or give a broker's address."
        ) from exc
    if done.returncode:
        last = (done.stdout or done.stderr).decode(errors="replace").strip().splitlines()[:1]
        raise StoreUnavailable(f"Maven could not fetch Apache Kafka: {' '.join(last)[:300]}")
    partial.rename(libs)


class JarBroker:
    """Apache Kafka from jars; `start` and `stop` may alternate, the records stay until `close`."""

    def __init__(self, libs: Path) -> None:
        java = shutil.which("java")
        if java is None:
            raise StoreUnavailable("Apache Kafka needs Java 17: install a JRE, or give a broker's address.")
        self._java = [java, "-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{libs}/*"]
        # Where the system can, the broker dies with us, however we die.
        setpriv = shutil.which("setpriv")
        self._with_us = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
        self._home = Path(tempfile.mkdtemp(prefix="pdl-kafka-"))
        self._port = free_port()
        self._config = self._home / "server.properties"
        self._config.write_text(properties(self._port, free_port(), self._home / "logs"))
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"127.0.0.1:{self._port}"
        """`host:port` for clients."""

    def start(self) -> None:
        """Start the node and wait until it listens. Raises StoreUnavailable with its last words."""
        if not (self._home / "logs").exists():
            self._format()
        with (self._home / "kafka.out").open("ab") as out:
            self._process = subprocess.Popen(  # noqa: S603 -- our own command, no shell
                [*self._with_us, *self._java, "kafka.Kafka", str(self._config)],
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not listens("127.0.0.1", self._port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise StoreUnavailable(f"Apache Kafka did not start: {self._last_words()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the node, gently at first; its records stay."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """Stop the node and remove its records."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        done = subprocess.run(  # noqa: S603 -- our own command, no shell
            [*self._java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._config)],
            cwd=self._home,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise StoreUnavailable(
                f"Apache Kafka's storage could not be formatted: {done.stderr.decode(errors='replace')[-300:]}"
            )

    def _last_words(self) -> str:
        lines = (self._home / "kafka.out").read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:])[-400:]


def container_engine() -> str | None:
    """The path of a container engine whose daemon answers, or None."""
    for name in ("docker", "podman"):
        path = shutil.which(name)
        if path is None:
            continue
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            asked = subprocess.run([path, "info"], capture_output=True, check=False, timeout=10)  # noqa: S603 -- a fixed word
            if asked.returncode == 0 and b"Cannot connect" not in asked.stdout + asked.stderr:
                return path
    return None


class ContainerBroker:
    """Apache Kafka's own image on a container engine, published on loopback only."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._name = f"pdl-kafka-{uuid.uuid4().hex[:8]}"
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        """`host:port` for clients."""

    def start(self) -> None:
        """Start the container and wait until the broker listens. Raises StoreUnavailable."""
        settings = properties(self._port, 29093, Path("/tmp/kraft-combined-logs"))  # noqa: S108 -- inside the container
        settings = settings.replace(
            f"listeners=PLAINTEXT://127.0.0.1:{self._port}", f"listeners=PLAINTEXT://0.0.0.0:{self._port}", 1
        )
        environment = []
        for line in settings.splitlines():
            key, _, value = line.partition("=")
            environment += ["-e", f"KAFKA_{key.upper().replace('.', '_')}={value}"]
        published = f"127.0.0.1:{self._port}:{self._port}"
        command = [
            self._engine,
            "run",
            "-d",
            "--rm",
            "--name",
            self._name,
            "-p",
            published,
            *environment,
            f"apache/kafka:{VERSION}",
        ]
        done = subprocess.run(command, capture_output=True, check=False, timeout=DOWNLOAD_SECONDS_MAX)  # noqa: S603 -- no shell
        if done.returncode:
            raise StoreUnavailable("the container engine could not start Apache Kafka.")
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            if time.monotonic() > deadline:
                self.close()
                raise StoreUnavailable("Apache Kafka started in its container, but does not answer.")
            time.sleep(0.3)

    def stop(self) -> None:
        """Stop and remove the container, and with it its records."""
        subprocess.run([self._engine, "stop", "-t", "10", self._name], capture_output=True, check=False)  # noqa: S603 -- no shell

    def close(self) -> None:
        """The same as stop: a container leaves nothing."""
        self.stop()

    def _answers(self) -> bool:
        # The engine's proxy accepts before the broker does: ask inside.
        tool = ["/opt/kafka/bin/kafka-broker-api-versions.sh", "--bootstrap-server", f"127.0.0.1:{self._port}"]
        asked = subprocess.run([self._engine, "exec", self._name, *tool], capture_output=True, check=False)  # noqa: S603 -- no shell
        return asked.returncode == 0


Broker = JarBroker | ContainerBroker


def local_broker(cache: Path = CACHE) -> Broker:
    """A broker that is started: in a container where an engine runs and can get the image, else from jars."""
    engine = container_engine()
    if engine is not None:
        with contextlib.suppress(StoreUnavailable, subprocess.TimeoutExpired):
            contained = ContainerBroker(engine)
            contained.start()
            return contained
    broker = JarBroker(jars(cache))
    try:
        broker.start()
    except BaseException:
        broker.close()
        raise
    return broker


@contextlib.contextmanager
def kafka(address: str | None = None, *, cache: Path = CACHE) -> Iterator[str]:
    """The `host:port` of a broker: the one at `address`, else one that lives as long as the context.

    Raises StoreUnavailable where none can be had, saying what to install.
    """
    if address:
        yield address
        return
    broker = local_broker(cache)
    try:
        yield broker.address
    finally:
        broker.close()
