"""Every outer edge: what feeds the ledger and what consumes its answers."""
