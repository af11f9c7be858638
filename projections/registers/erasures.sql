-- Erasures: cases that the ledger decided, and the datasets whose keys are gone.

-- name: create
CREATE TABLE IF NOT EXISTS erasure (
    erasure_case TEXT PRIMARY KEY,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    reason TEXT NOT NULL,
    approval TEXT NOT NULL,
    alone INTEGER NOT NULL,
    ordered INTEGER,
    refused INTEGER,
    destroyed INTEGER,
    closed INTEGER,
    key_count INTEGER NOT NULL,
    kept TEXT NOT NULL
) WITHOUT ROWID;

-- One row per dataset that a case erased: from here on it reads erased, not missing.
CREATE TABLE IF NOT EXISTS erased_dataset (
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    dataset TEXT NOT NULL,
    erasure_case TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (person, client, dataset, erasure_case)
) WITHOUT ROWID;

-- name: order
INSERT INTO erasure VALUES (:case, :organisation, :person, :reason, :approval, :alone, :at, NULL, NULL, NULL, :keys, :kept);

-- name: refuse
INSERT INTO erasure VALUES (:case, :organisation, :person, :reason, '', 0, NULL, :at, NULL, NULL, 0, :kept);

-- name: destroyed
UPDATE erasure SET destroyed = :at WHERE erasure_case = :case;

-- name: erased
INSERT OR IGNORE INTO erased_dataset VALUES (?, ?, ?, ?, ?, ?);

-- name: closed
UPDATE erasure SET closed = :at WHERE erasure_case = :case;

-- name: list
SELECT erasure_case AS "case", organisation, person,
    CASE WHEN refused IS NOT NULL THEN 'refused' WHEN closed IS NOT NULL THEN 'closed'
         WHEN destroyed IS NOT NULL THEN 'destroyed' ELSE 'ordered' END AS state,
    reason, approval, alone, COALESCE(ordered, refused) AS ordered, destroyed, closed, key_count AS keys, kept
FROM erasure WHERE :organisation IS NULL OR organisation = :organisation
ORDER BY COALESCE(ordered, refused), erasure_case;

-- name: datasets
SELECT client, dataset, at FROM erased_dataset WHERE erasure_case = :case ORDER BY client, dataset;

-- name: of_person
SELECT client, dataset, max(at) AS at, erasure_case FROM erased_dataset WHERE person = :person GROUP BY client, dataset;
