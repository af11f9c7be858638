"""The certificate of an erasure: one readable, signed text that anybody checks offline, without this program's data.

It names pseudonyms, ids of cases, keys and datasets, and never a value. `make` composes it from what the log
says, `verify` believes nothing but a signature. The text is documented byte for byte in docs/reference/formats.md.
"""

from __future__ import annotations

from typing import Final

RESIDUES: Final = (
    "A pseudonym (random), the kind and time of each fact, and ids of the statement stay in the log until its own retention ends.",
    "Whoever has an identifier and the fence key of the organisation can ask whether it was once erased.",
    "Copies of keys that were made outside this program, and what people saw or wrote down, are not covered.",
    "Kafka topics, files and backups of producers hold what was published, as long as their own retention says.",
    "The order that is published to a system names the person to that system.",
)
"""What stays behind after every erasure, and is not claimed to be gone."""
