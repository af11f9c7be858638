"""Kafka as a source of events: `consume` reads it into the ledger, `broker` starts a real one to try with."""
