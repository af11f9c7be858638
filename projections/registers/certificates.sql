-- Certificates of erasure, and their supplements.

-- name: create
CREATE TABLE IF NOT EXISTS certificate (
    erasure_case TEXT NOT NULL,
    number INTEGER NOT NULL,
    issued INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (erasure_case, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS certificate_case (
    erasure_case TEXT PRIMARY KEY,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL
) WITHOUT ROWID;

-- name: ordered
INSERT INTO certificate_case VALUES (?, ?, ?)
ON CONFLICT (erasure_case) DO UPDATE SET organisation = excluded.organisation, person = excluded.person;

-- name: add
INSERT INTO certificate VALUES (?, ?, ?, ?, ?)
ON CONFLICT (erasure_case, number) DO UPDATE SET issued = excluded.issued, sha256 = excluded.sha256, position = excluded.position;

-- name: list
SELECT k.organisation, k.person, c.erasure_case AS "case", c.number, c.issued, c.sha256, c.position
FROM certificate AS c JOIN certificate_case AS k ON k.erasure_case = c.erasure_case
WHERE :organisation IS NULL OR k.organisation = :organisation ORDER BY c.issued, c.erasure_case, c.number;
