-- Disclosures per recipient: what went to whom, where, for which purpose, under which contract or transfer tool.

-- name: create
CREATE TABLE IF NOT EXISTS disclosure (
    organisation TEXT NOT NULL,
    activity TEXT NOT NULL,
    client TEXT NOT NULL,
    recipient TEXT NOT NULL,
    service TEXT NOT NULL,
    purpose TEXT NOT NULL,
    basis TEXT NOT NULL,
    country TEXT NOT NULL,
    transfer_tool TEXT NOT NULL,
    contract TEXT NOT NULL,
    categories TEXT NOT NULL,
    events INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (organisation, activity, client, recipient, service, purpose, basis, country, transfer_tool, contract, categories)
) WITHOUT ROWID;

-- name: add
INSERT INTO disclosure VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (organisation, activity, client, recipient, service, purpose, basis, country, transfer_tool, contract, categories)
DO UPDATE SET events = disclosure.events + excluded.events, first = min(disclosure.first, excluded.first), last = max(disclosure.last, excluded.last);

-- name: list
SELECT * FROM disclosure
WHERE :organisation IS NULL OR organisation = :organisation
ORDER BY organisation, recipient, activity, client, service, purpose, basis, country, transfer_tool, contract, categories;
