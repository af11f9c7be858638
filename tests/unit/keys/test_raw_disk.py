"""What the blocks of a disk still have after an erasure: an ext4 image on a loop device, read raw."""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.keys import Identifier, Scope, root, store, vault
from ledger.keys.root import FileRoots, MemoryRoot
from ledger.keys.sqlite import open_key_store
from ledger.keys.wrap import draw

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IMAGE_BYTES = 48 * 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """An image and where it is mounted; skips loudly where that takes rights that we do not have."""
    image, mounted = tmp_path / "disk.img", tmp_path / "mounted"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    made = shutil.which("mkfs.ext4") and subprocess.run(["mkfs.ext4", "-q", image], check=False).returncode == 0
    if not made or subprocess.run(["mount", "-o", "loop", image, mounted], check=False, capture_output=True).returncode:
        warnings.warn("NO RAW DISK: an ext4 image cannot be mounted here", pytest.PytestWarning, stacklevel=1)
        pytest.skip("an ext4 image cannot be mounted here (it takes root, mkfs.ext4 and loop devices)")
    try:
        yield image, mounted
    finally:
        subprocess.run(["umount", mounted], check=False, capture_output=True)


@pytest.mark.parametrize("people", [400, pytest.param(4_000, marks=pytest.mark.slow)])
def test_no_block_of_the_disk_opens_anything_that_was_erased(
    disk: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, people: int
) -> None:
    image, mounted = disk
    made: list[bytes] = []

    def watched(size: int = 32) -> bytearray:
        drawn = draw(size)
        made.extend(bytes(drawn[start : start + 32]) for start in range(0, size, 32))
        return drawn

    for module in (root, store, vault):
        monkeypatch.setattr(module, "draw", watched)
    place = mounted / "keys"
    place.mkdir()
    keys = open_key_store(place, ledger_id="a ledger", create=True)
    names = [Identifier("acme", "email", f"person-{number}@example.org") for number in range(people)]
    found = keys.resolve(names, create=names)
    scopes = [Scope("acme", "", str(found[name]), "forms/forms") for name in names]
    keys.obtain(scopes)
    erased = 0
    for number in range(0, people // 2, people // 8):
        its = scopes[number : number + people // 8]
        erased += len(keys.destroy(its, case=f"case-{number}", generation=number, at=NOON).key_ids)
        keys.close_epoch(at=NOON)
    (current,) = FileRoots(place / "root").held()
    keys.close()
    os.sync()
    subprocess.run(["umount", mounted], check=True)
    content = image.read_bytes()
    assert erased == people // 2
    assert len(made) > people + 5 + 4 * 2
    assert [secret for secret in made if secret in content] == [], "no key stands unwrapped, live or erased"
    roots = {MemoryRoot(secret).id: secret for secret in made if b64encode(secret) in content}
    assert list(roots) == [current.id], "of five roots only the last is left, and this way of looking finds it"
