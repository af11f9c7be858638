"""The ledger decides and remembers: facts, policies, sealing, keys, log, evidence."""
