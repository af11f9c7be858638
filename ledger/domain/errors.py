"""Every way in which the ledger says no: what happened, what is safe to do, ids and never values."""

from __future__ import annotations


class LedgerError(Exception):
    """Something the caller can understand and act upon; the message says how."""


class Unreadable(LedgerError):
    """A file, setting or document cannot be read as what it should be; the message names the place and the mend."""


class WrongLedger(LedgerError):
    """The databases in this directory do not belong together; restore the set that was made together."""


class Busy(LedgerError):
    """Another process is writing in this data directory; wait for it or stop it."""


class StoreUnavailable(LedgerError):
    """A database, disk or broker that is needed cannot be reached or written; nothing was half done, run it again."""


class BatchAlreadyRecorded(LedgerError):
    """This stretch of the source was recorded before; skipping it is safe."""


class GenerationMoved(LedgerError):
    """Keys were destroyed while this batch was being sealed; seal it again with the keys that live now."""


class ErasureRefused(LedgerError):
    """A hold, restriction or missing subject stands in the way of an erasure; the message names it."""


class ApprovalRefused(LedgerError):
    """A signature under an order does not count: wrong order, wrong key, expired, or given before; nothing was erased."""


class KeyMissing(LedgerError):
    """No key is known for this section, and none was destroyed: the key database is incomplete or older than the log."""


class Tampered(LedgerError):
    """Stored bytes do not match their authentication tag, hash or key commitment; keep them, and run `pdl verify`."""


class ProofRefused(LedgerError):
    """A signature, proof or signed head does not hold; the message names the step that failed. Believe nothing of it."""


class PolicyInvalid(LedgerError):
    """A policy pack cannot be used; the message lists each place and what to write there."""
