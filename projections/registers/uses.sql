-- Uses by purpose: what data were used for, by which operation, by whom, on which basis.

-- name: create
CREATE TABLE IF NOT EXISTS use (
    organisation TEXT NOT NULL,
    activity TEXT NOT NULL,
    client TEXT NOT NULL,
    purpose TEXT NOT NULL,
    operation TEXT NOT NULL,
    basis TEXT NOT NULL,
    role TEXT NOT NULL,
    system TEXT NOT NULL,
    categories TEXT NOT NULL,
    events INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (organisation, activity, client, purpose, operation, basis, role, system, categories)
) WITHOUT ROWID;

-- name: add
INSERT INTO use VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (organisation, activity, client, purpose, operation, basis, role, system, categories)
DO UPDATE SET events = use.events + excluded.events, first = min(use.first, excluded.first), last = max(use.last, excluded.last);

-- name: list
SELECT * FROM use
WHERE :organisation IS NULL OR organisation = :organisation
ORDER BY organisation, activity, client, purpose, operation, basis, role, system, categories;
