"""Evidence: a Merkle tree over the log, signed heads and proofs, in formats that other people's verifiers read."""
