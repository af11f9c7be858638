"""The contract as AsyncAPI 3, held to the AsyncAPI project's own parser."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from consumers.kit import IngestKey, event, events, structured
from ledger.domain.asyncapi import asyncapi
from ledger.domain.events import BY_WIRE
from ledger.keys.hpke import public_of

HERE = Path(__file__).parent / "asyncapi"
CACHE = Path(__file__).parents[2] / ".cache" / "asyncapi"
PARSE = """
const { Parser } = require("@asyncapi/parser");
let text = "";
process.stdin.on("data", (part) => (text += part)).on("end", async () => {
  const { document, diagnostics } = await new Parser().parse(text);
  const bad = diagnostics.filter((one) => one.severity === 0).map((one) => `${one.path.join(".")}: ${one.message}`);
  console.log(JSON.stringify({ bad, messages: document ? document.allMessages().all().length : 0 }));
});
"""


@pytest.fixture(scope="module")
def parser() -> Path:
    """A folder in which Node finds the parser: installed once, by lock file, without running any script of it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    why = "no npm" if npm is None or node is None else _installed(npm)
    if why:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no AsyncAPI parser for the tests: {why}")
        warnings.warn(f"TESTS WITHOUT THE ASYNCAPI PARSER: {why}", pytest.PytestWarning, stacklevel=1)
        pytest.skip(why)
    return CACHE


def _installed(npm: str) -> str:
    """Install what the lock file says, unless it is there; why it could not be, or nothing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    lock, done = (HERE / "package-lock.json").read_bytes(), CACHE / "installed"
    with (CACHE / "lock").open("w") as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
        if done.is_file() and done.read_bytes() == lock:
            return ""
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, CACHE / name)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        ran = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, check=False, timeout=300)
        if ran.returncode:
            return f"npm ci failed: {ran.stderr.strip().splitlines()[:1]}"
        done.write_bytes(lock)
    return ""


def parsed(parser: Path, document: dict[str, Any]) -> dict[str, Any]:
    ran = subprocess.run(
        ["node", "-e", PARSE],
        input=json.dumps(document),
        cwd=parser,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return dict(json.loads(ran.stdout))


def test_the_asyncapi_projects_parser_accepts_the_document(parser: Path) -> None:
    found = parsed(parser, asyncapi())
    assert found["bad"] == []
    assert found["messages"] == len(BY_WIRE) + 1


def test_the_parser_would_see_a_fault(parser: Path) -> None:
    document = asyncapi()
    document["operations"]["record"]["action"] = "swallow"
    document["components"]["messages"]["pdl.data.used.v1"]["payload"] = {"$ref": "#/components/schemas/Nothing"}
    assert parsed(parser, document)["bad"]


def test_the_schemas_of_the_document_judge_events_as_those_of_each_type_do() -> None:
    document = asyncapi()

    def judge(name: str, body: bytes) -> list[str]:
        validator = jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{name}", **document})
        return [error.message for error in validator.iter_errors(json.loads(body))]

    for wire in BY_WIRE:
        golden = json.loads((HERE.parent / "events" / f"{wire}.json").read_text("utf-8"))["event"]
        assert judge(wire, json.dumps(golden).encode()) == []
        del golden["data"]["organisation"]
        assert judge(wire, json.dumps(golden).encode())
    subject = events.Subject(scheme="email", value="ada@example.org")
    made = event(events.ConsentRefused(organisation="acme", purpose="newsletter", subject=subject), source="/s")
    assert judge("Sealed", structured(made, IngestKey("0011223344556677", public_of(bytes(32)))).value) == []
    assert judge("Sealed", structured(made).value)
