"""A real PKCS#11 token for tests: SoftHSM, as installed, else Debian's packages unpacked into .cache, installed nowhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
import warnings
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from ledger.keys.token import TokenRoots

ROOT = Path(__file__).parents[1]
TOKEN, PIN = "pdl-tests", "271828"
_MODULES = (
    "usr/lib/softhsm/libsofthsm2.so",
    "usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "usr/lib64/libsofthsm2.so",
)


class _Found(NamedTuple):
    module: Path
    tool: Path


class _Missing(Exception):
    pass


def token_roots(label: str | None = None) -> TokenRoots:
    """Roots in a token that this run of the tests made, under a label of their own; skips loudly where there is none.

    Under CI=true its absence is a failure. `SOFTHSM2_CONF` says to processes of their own where the token is.
    """
    try:
        module = _token()
    except _Missing as exc:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no SoftHSM for the tests: {exc}")
        warnings.warn(f"TESTS WITHOUT A PKCS#11 TOKEN: {exc}", pytest.PytestWarning, stacklevel=1)
        pytest.skip(f"no SoftHSM: {exc}")
    return TokenRoots(module, TOKEN, PIN, label=label or f"test {uuid.uuid4().hex}")


@cache
def _token() -> Path:
    """The library of SoftHSM, with a token made for this process."""
    found = _installed(Path("/")) or _installed(_unpacked())
    if found is None:
        raise _Missing("neither installed nor to be had from apt-get; install softhsm2")
    folder = Path(tempfile.mkdtemp(prefix="pdl-token-"))
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    command = [found.tool, "--module", found.module, "--init-token", "--free", "--label", TOKEN]
    made = subprocess.run([*command, "--pin", PIN, "--so-pin", "161803"], capture_output=True, check=False)
    if made.returncode:
        raise _Missing(f"softhsm2-util ended with {made.returncode}")
    return found.module


def _installed(root: Path) -> _Found | None:
    modules = [root / name for name in _MODULES if (root / name).is_file()]
    tool = root / "usr/bin/softhsm2-util"
    return _Found(modules[0], tool) if modules and tool.is_file() else None


def _unpacked() -> Path:
    """Debian's packages, downloaded and unpacked without installing them."""
    folder = ROOT / ".cache" / "softhsm"
    if not folder.exists() and shutil.which("apt-get") and shutil.which("dpkg"):
        fresh = folder.with_name(f"softhsm-{os.getpid()}")
        fresh.mkdir(parents=True)
        _fetch(fresh)
        for package in fresh.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, fresh], check=False)
        if _installed(fresh):
            fresh.replace(folder)
        else:
            shutil.rmtree(fresh)
    return folder


def _fetch(folder: Path) -> None:
    download = ["apt-get", "download", "-qq", "softhsm2", "libsofthsm2"]
    if subprocess.run(download, cwd=folder, capture_output=True, check=False).returncode and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False)
        subprocess.run(download, cwd=folder, capture_output=True, check=False)
