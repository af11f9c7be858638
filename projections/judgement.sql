-- Findings and retention of each person, judged again whenever a fact touches them.

-- name: create
-- One row per finding. A finding knows its own future; the clock is applied when it is read.
CREATE TABLE IF NOT EXISTS finding (
    organisation TEXT NOT NULL,
    judged TEXT NOT NULL,
    number INTEGER NOT NULL,
    since INTEGER NOT NULL,
    visible_from INTEGER NOT NULL,
    visible_to INTEGER,
    rule TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (organisation, judged, number)
) WITHOUT ROWID;

-- One row per dataset of a person that somebody still holds; `people` are the pseudonyms under which it was collected.
CREATE TABLE IF NOT EXISTS retention (
    organisation TEXT NOT NULL,
    judged TEXT NOT NULL,
    number INTEGER NOT NULL,
    due INTEGER,
    people TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (organisation, judged, number)
) WITHOUT ROWID;

-- Who was judged, with which pseudonyms taken together, and for which clients ('' for none) the organisation
-- knows them: whom a fact of the organisation touches. `person` is the first 8 bytes of a pseudonym.
CREATE TABLE IF NOT EXISTS judged_person (
    person BLOB NOT NULL,
    organisation TEXT NOT NULL,
    judged TEXT NOT NULL,
    client TEXT NOT NULL,
    PRIMARY KEY (person, organisation, judged, client)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS judged_person_by_client ON judged_person (organisation, client);

-- name: judgements_of
SELECT DISTINCT organisation, judged FROM judged_person WHERE person = ?;

-- name: drop_finding
DELETE FROM finding WHERE organisation = ? AND judged = ?;

-- name: drop_retention
DELETE FROM retention WHERE organisation = ? AND judged = ?;

-- name: drop_judged
DELETE FROM judged_person WHERE person = ?;

-- name: add_finding
INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_retention
INSERT INTO retention VALUES (?, ?, ?, ?, ?, ?);

-- name: add_judged
INSERT INTO judged_person VALUES (?, ?, ?, ?);

-- name: everyone
SELECT DISTINCT person FROM judged_person WHERE organisation = :organisation;

-- name: of_client
SELECT DISTINCT person FROM judged_person WHERE organisation = :organisation AND client IN (:client, '');

-- name: findings
SELECT judged, body FROM finding
WHERE (:organisation IS NULL OR organisation = :organisation)
  AND since <= :now AND visible_from <= :now AND (visible_to IS NULL OR visible_to > :now)
ORDER BY since, rule, organisation, judged, number;

-- name: retention
SELECT people, body FROM retention
WHERE :organisation IS NULL OR organisation = :organisation
ORDER BY due IS NULL, due, organisation, judged, number;

-- name: retention_of
SELECT people, body FROM retention WHERE organisation = ? AND judged = ? ORDER BY number;

-- name: edges
-- The stretches of every source that has more than one.
SELECT source, first, last, first_at FROM source_stretch
WHERE source IN (SELECT source FROM source_stretch GROUP BY source HAVING count(*) > 1)
ORDER BY source, first;

-- name: organisations
-- Everyone who ever sent a fact (projections/context.sql).
SELECT organisation FROM first_fact ORDER BY organisation;
