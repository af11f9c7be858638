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

-- Who was judged, with which pseudonyms taken together. `person` is the first 8 bytes of a pseudonym.
CREATE TABLE IF NOT EXISTS judged_person (
    person BLOB NOT NULL,
    organisation TEXT NOT NULL,
    judged TEXT NOT NULL,
    PRIMARY KEY (person, organisation, judged)
) WITHOUT ROWID;

-- What each judgement asked about the organisation, and the last moment that it asked about: whom a fact of the
-- organisation touches (ledger/policy/timeline.py: Topic, Change).
CREATE TABLE IF NOT EXISTS asked (
    organisation TEXT NOT NULL,
    judged TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    part TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (organisation, judged, kind, name, part)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS asked_what ON asked (organisation, kind, name, part, last);

-- name: judgements_of
SELECT organisation, judged FROM judged_person WHERE person = ?;

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
INSERT INTO judged_person VALUES (?, ?, ?);

-- name: drop_asked_by
DELETE FROM asked WHERE organisation = ? AND judged = ?;

-- name: asked_by
SELECT kind, name, part, last FROM asked WHERE organisation = ? AND judged = ?;

-- name: drop_asked
DELETE FROM asked WHERE organisation = ? AND judged = ? AND kind = ? AND name = ? AND part = ? AND last = ?;

-- name: add_asked
INSERT INTO asked VALUES (?, ?, ?, ?, ?, ?);

-- name: asked_names
-- Every name that was asked about in a kind of question: one look in the index for each.
WITH RECURSIVE names (name) AS (
    SELECT min(name) FROM asked WHERE organisation = :organisation AND kind = :kind
    UNION ALL
    SELECT (SELECT min(a.name) FROM asked AS a WHERE a.organisation = :organisation AND a.kind = :kind AND a.name > names.name)
    FROM names WHERE names.name IS NOT NULL
)
SELECT name FROM names;

-- name: asked_about
SELECT judged FROM asked WHERE organisation = :organisation AND kind = :kind AND name = :name AND last >= :since;

-- name: asked_part
SELECT judged FROM asked WHERE organisation = :organisation AND kind = :kind AND name = :name AND part = :part AND last >= :since;

-- name: asks
SELECT 1 FROM asked WHERE organisation = ? AND judged = ? AND kind = ? AND name = ?;

-- name: first_moved
-- Whose first fact arrived in a stretch, or was ever retracted: then any fact may be the first that counts.
SELECT organisation FROM first_fact
WHERE (position > :after AND position <= :last) OR position IN (SELECT target FROM retraction);

-- name: everyone
SELECT DISTINCT person FROM judged_person WHERE organisation = :organisation;

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
