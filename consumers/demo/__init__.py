"""A plausible year of five organisations, and a guided tour through what the ledger makes of it."""
