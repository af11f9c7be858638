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
    kept TEXT NOT NULL,
    approved_by TEXT NOT NULL DEFAULT '[]',
    objected_by TEXT,
    prepared INTEGER,
    forgotten INTEGER,
    removed INTEGER,
    certified INTEGER
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
INSERT INTO erasure (erasure_case, organisation, person, reason, approval, alone, ordered, key_count, kept)
VALUES (:case, :organisation, :person, :reason, :approval, :alone, :at, :keys, :kept);

-- name: refuse
INSERT INTO erasure (erasure_case, organisation, person, reason, approval, alone, refused, key_count, kept)
VALUES (:case, :organisation, :person, :reason, '', 0, :at, 0, :kept);

-- name: approved
UPDATE erasure SET approved_by = json_insert(approved_by, '$[#]', :approver) WHERE erasure_case = :case;

-- name: objected
UPDATE erasure SET objected_by = :approver WHERE erasure_case = :case;

-- name: prepared
UPDATE erasure SET prepared = :at, key_count = :keys, kept = :kept WHERE erasure_case = :case;

-- name: forgotten
UPDATE erasure SET forgotten = :at WHERE erasure_case = :case;

-- name: removed
UPDATE erasure SET removed = :at WHERE erasure_case = :case;

-- name: certified
UPDATE erasure SET certified = COALESCE(certified, :at) WHERE erasure_case = :case;

-- name: destroyed
UPDATE erasure SET destroyed = :at WHERE erasure_case = :case;

-- name: erased
INSERT INTO erased_dataset VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- name: closed
UPDATE erasure SET closed = :at WHERE erasure_case = :case;

-- name: list
SELECT erasure_case AS "case", organisation, person,
    CASE WHEN refused IS NOT NULL OR (closed IS NOT NULL AND destroyed IS NULL) THEN 'refused' WHEN closed IS NOT NULL THEN 'closed'
         WHEN objected_by IS NOT NULL THEN 'halted' WHEN destroyed IS NOT NULL THEN 'destroyed' WHEN prepared IS NOT NULL THEN 'prepared'
         ELSE 'ordered' END AS state,
    reason, approval, approved_by, objected_by, alone, COALESCE(ordered, refused) AS ordered, prepared, destroyed, closed, certified, forgotten,
    removed, key_count AS keys, kept
FROM erasure WHERE :organisation IS NULL OR organisation = :organisation
ORDER BY COALESCE(ordered, refused), erasure_case;

-- name: datasets
SELECT client, dataset, at FROM erased_dataset WHERE erasure_case = :case ORDER BY client, dataset;

-- name: of_person
SELECT client, dataset, at, erasure_case FROM erased_dataset AS d
WHERE person = :person AND NOT EXISTS (
    SELECT 1 FROM erased_dataset AS later
    WHERE later.person = d.person AND later.client = d.client AND later.dataset = d.dataset
      AND (later.at, later.erasure_case) > (d.at, d.erasure_case)
);
