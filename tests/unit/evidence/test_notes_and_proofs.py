"""Notes, checkpoints and proof files: byte-exact as C2SP has them, and refused when one byte differs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.errors import ProofRefused
from ledger.evidence.note import (
    Checkpoint,
    Signer,
    VerifierKey,
    open_checkpoint,
    open_note,
    parse_checkpoint,
    parse_verifier,
)
from ledger.evidence.proof import make_proof, parse_proof, verify_proof
from ledger.evidence.tree import Tiles, extend, leaf_hash, root
from tests.golden.golden import same_as_golden

SIGNER = Signer("ledger.example/one", bytes(range(32)))
WITNESS = Signer("witness.example", bytes(32))
LEAVES = [b'pdl/1 file:events.jsonl %d pdl.data.used.v1\n{"n": %d}\n' % (number + 1, number) for number in range(300)]
TILES: Tiles = extend(0, lambda *_: None, [leaf_hash(leaf) for leaf in LEAVES])


def read(level: int, number: int) -> bytes | None:
    return TILES.get((level, number))


def head(size: int = 300, signer: Signer = SIGNER) -> str:
    return signer.sign(str(Checkpoint(signer.key.name, size, root(size, read))))


def proof(index: int = 123, size: int = 300) -> str:
    return str(make_proof(index, LEAVES[index], size, read, head(size)))


# --- the example of Go's golang.org/x/mod/sumdb/note, made by others

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_that_others_signed_opens() -> None:
    key = parse_verifier(PETER)
    assert str(key) == PETER
    text, signed = open_note(PETERS_NOTE, [key])
    assert text.endswith("your problem is.\n")
    assert signed == [key]


# --- golden files


def test_golden_files_of_checkpoint_key_and_proof() -> None:
    same_as_golden("evidence/checkpoint", head())
    same_as_golden("evidence/verifier-key", f"{SIGNER.key}\n")
    same_as_golden("evidence/record.tlog-proof", proof())


def test_the_golden_proof_holds() -> None:
    proven = verify_proof(proof(), parse_verifier(str(SIGNER.key)), LEAVES[123])
    assert (proven.leaf, proven.index, proven.checkpoint.size) == (LEAVES[123], 123, 300)
    assert str(parse_proof(proof())) == proof()


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (1, 2), (255, 256), (256, 257), (299, 300), (0, 300)])
def test_proofs_of_any_place_hold(index: int, size: int) -> None:
    assert verify_proof(proof(index, size), SIGNER.key).leaf == LEAVES[index]


def test_no_proof_with_one_byte_altered_is_accepted() -> None:
    text, tried = proof(), 0
    for at, letter in enumerate(text):
        for other in {chr(ord(letter) ^ 1), "A", "\n", " ", "0"} - {letter}:
            with pytest.raises(ProofRefused):
                verify_proof(text[:at] + other + text[at + 1 :], SIGNER.key)
            tried += 1
        with pytest.raises(ProofRefused):
            verify_proof(text[:at] + text[at + 1 :], SIGNER.key)
    assert tried > 3_000


@given(at=st.integers(0, len(proof())), junk=st.text(max_size=5), cut=st.integers(0, 5))
def test_no_proof_with_a_stretch_replaced_is_accepted(at: int, junk: str, cut: int) -> None:
    text = proof()
    mutant = text[:at] + junk + text[at + cut :]
    if mutant != text:
        with pytest.raises(ProofRefused):
            verify_proof(mutant, SIGNER.key)


@given(st.text())
def test_text_that_is_no_proof_is_refused(text: str) -> None:
    for reader in (parse_proof, parse_checkpoint, parse_verifier, lambda note: open_note(note, [SIGNER.key])):
        with pytest.raises(ProofRefused):
            reader(text)


def test_a_proof_about_another_record_is_refused() -> None:
    with pytest.raises(ProofRefused, match="another record"):
        verify_proof(proof(), SIGNER.key, LEAVES[124])
    swapped = str(make_proof(123, LEAVES[124], 300, read, head()))
    with pytest.raises(ProofRefused, match="does not stand at index 123"):
        verify_proof(swapped, SIGNER.key)
    moved = proof().replace("index 123\n", "index 122\n")
    with pytest.raises(ProofRefused, match="does not stand at index 122"):
        verify_proof(moved, SIGNER.key)


def test_a_proof_without_its_leaf_needs_the_record() -> None:
    lines = proof().split("\n")
    bare = "\n".join(line for line in lines if not line.startswith("extra "))
    assert verify_proof(bare, SIGNER.key, LEAVES[123]).index == 123
    with pytest.raises(ProofRefused, match="give the record"):
        verify_proof(bare, SIGNER.key)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    foreign = Signer("other.example/log", bytes(range(32)))
    with pytest.raises(ProofRefused, match="no key that is believed"):
        open_checkpoint(head(signer=foreign), SIGNER.key)
    with pytest.raises(ProofRefused, match=r"the checkpoint is of x\.example"):
        open_checkpoint(SIGNER.sign(str(Checkpoint("x.example", 1, bytes(32)))), SIGNER.key)


def test_witnesses_may_add_their_signatures() -> None:
    note = head()
    text = note[: note.rfind("\n\n") + 1]
    cosigned = note + WITNESS.sign(text).removeprefix(text + "\n")
    assert open_checkpoint(cosigned, SIGNER.key).size == 300
    assert open_note(cosigned, [WITNESS.key, SIGNER.key])[1] == [SIGNER.key, WITNESS.key]


def test_a_false_signature_of_a_known_key_spoils_the_note() -> None:
    note = head()
    text = note[: note.rfind("\n\n") + 1]
    other = WITNESS.sign(text + "more\n").removeprefix(text + "more\n\n")
    with pytest.raises(ProofRefused, match=r"witness\.example does not fit"):
        open_note(note + other, [SIGNER.key, WITNESS.key])
    assert open_note(note + other, [SIGNER.key])[1] == [SIGNER.key]


def test_a_key_of_the_same_name_is_not_the_same_key() -> None:
    impostor = Signer(SIGNER.key.name, bytes(32))
    with pytest.raises(ProofRefused, match="no key that is believed"):
        open_checkpoint(head(signer=impostor), SIGNER.key)


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note[:-1],
        lambda note: note + "\n",
        lambda note: note + "not a signature\n",
        lambda note: note.replace("\u2014", "-"),
        lambda note: note.replace("\u2014 ", "\u2014"),
        lambda note: note.replace("\n", "\r\n"),
        lambda note: note.replace("ledger", "ledger\t"),
        lambda note: note + "\u2014 a+b AAAAAAAA\n",
        lambda note: note + "\u2014 a\u2003b AAAAAAAA\n",
        lambda note: note + "\u2014 name AAAA\n",
        lambda note: note + "\u2014 name AAAAAAA\n",
        lambda note: note + "\u2014 name AAAAAB==\n",
        lambda note: note + "\u2014 name AAAAAAAA\n" * 100,
        lambda note: "x" * 1_000_000 + note,
        lambda note: "\ud800" + note,
        lambda _: "",
        lambda _: "\n\n",
    ],
)
def test_malformed_notes_are_refused(change: Callable[[str], str]) -> None:
    with pytest.raises(ProofRefused):
        open_note(change(head()), [SIGNER.key])


ROOT = b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"o\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n\u0661\n{ROOT}\n",
        f"o\n1 \n{ROOT}\n",
        f"o\n{'9' * 20}\n{ROOT}\n",
        f"o\n1\n{ROOT[:-1]}\n",
        f"o\n1\n{ROOT[:-2]}B=\n",
        f"o\n1\n{ROOT[:40]}\n",
        "o\n1\n",
        f"o\n1\n{ROOT}\n\n",
        f"o\n1\n{ROOT}\n\nextension\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(ProofRefused):
        parse_checkpoint(text)


def test_extension_lines_are_kept() -> None:
    text = f"o\n0\n{ROOT}\nmore\neven more\n"
    assert parse_checkpoint(text).extensions == ("more", "even more")
    assert str(parse_checkpoint(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        PETER.replace("c74f20a3", "c74f20a4"),
        PETER.replace("c74f20a3", "C74F20A3"),
        PETER.replace("PeterNeumann", "PeterNeuman"),
        PETER.replace("+c74f20a3", ""),
        PETER.replace("ARpc", "AhPc"),
        PETER[:-4],
        PETER + "+x",
    ],
)
def test_malformed_verifier_keys_are_refused(text: str) -> None:
    with pytest.raises(ProofRefused):
        parse_verifier(text)


def test_what_cannot_be_a_note_is_a_mistake_of_ours() -> None:
    for name in ("", "a b", "a+b", "a\nb", "a\u2003b"):
        with pytest.raises(ValueError, match="key name"):
            Signer(name, bytes(32))
    for text in ("no newline", "tab\t\n"):
        with pytest.raises(ValueError, match="newline"):
            SIGNER.sign(text)


def test_a_public_key_that_is_none_verifies_nothing() -> None:
    assert not VerifierKey("x", bytes(31)).verifies(bytes(64), "text\n")
    assert not SIGNER.key.verifies(b"short", "text\n")
