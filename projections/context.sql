-- What a judgement needs beside a person's own facts: who may be one with whom, what concerns the whole
-- organisation, what was retracted, and which facts lie ahead of their own recording.

-- name: create
-- Two people (by the first 8 bytes of their pseudonyms) that some fact ever named together, both ways round:
-- more than are linked. Who is linked is decided from the facts themselves.
CREATE TABLE IF NOT EXISTS pair (
    person BLOB NOT NULL,
    other BLOB NOT NULL,
    PRIMARY KEY (person, other)
) WITHOUT ROWID;

-- Facts without a person. `fenced`: they concern someone who was erased before (2: and happened after that).
CREATE TABLE IF NOT EXISTS organisation_fact (
    position INTEGER PRIMARY KEY,
    organisation TEXT NOT NULL,
    type TEXT NOT NULL,
    client TEXT NOT NULL,
    fenced INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS organisation_fact_of ON organisation_fact (organisation);

-- The first fact of each organisation by (time, source, id), retracted or not: cadences run from it.
CREATE TABLE IF NOT EXISTS first_fact (
    organisation TEXT PRIMARY KEY,
    time INTEGER NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    position INTEGER NOT NULL
) WITHOUT ROWID;

-- Retractions: which position says so, and which position it takes back (null until that fact arrives).
CREATE TABLE IF NOT EXISTS retraction (
    said INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    target INTEGER
);
CREATE INDEX IF NOT EXISTS retraction_of ON retraction (target);

-- Facts whose time lay ahead when they were recorded: until then they do not count. `numbered`: their source
-- numbers its events, so that more hangs on them than the findings of one person.
CREATE TABLE IF NOT EXISTS ahead (
    position INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    numbered INTEGER NOT NULL,
    person TEXT
);

-- name: add_pair
INSERT INTO pair (person, other) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: add_organisation_fact
INSERT INTO organisation_fact (position, organisation, type, client, fenced) VALUES (?, ?, ?, ?, ?);

-- name: add_first
INSERT INTO first_fact (organisation, time, source, id, position) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (organisation) DO UPDATE SET time = excluded.time, source = excluded.source, id = excluded.id, position = excluded.position
WHERE (excluded.time, excluded.source, excluded.id) < (first_fact.time, first_fact.source, first_fact.id);

-- name: firsts
SELECT organisation, time, source FROM first_fact;

-- name: add_ahead
INSERT INTO ahead (position, time, numbered, person) VALUES (?, ?, ?, ?);

-- name: add_retraction
INSERT INTO retraction (said, source, id) VALUES (?, ?, ?);

-- name: open_retractions
SELECT said, source, id FROM retraction WHERE target IS NULL;

-- name: settle
UPDATE retraction SET target = ? WHERE said = ?;

-- name: any_pair
SELECT EXISTS (SELECT 1 FROM pair);

-- name: organisation_facts
SELECT position FROM organisation_fact WHERE organisation = :organisation AND fenced = 0 ORDER BY position;

-- name: after_erasure
SELECT position FROM organisation_fact WHERE organisation = :organisation AND fenced = 2 ORDER BY position;

-- name: after_erasure_between
SELECT DISTINCT organisation FROM organisation_fact WHERE position > :after AND position <= :last AND fenced = 2;

-- name: organisation_facts_between
SELECT position FROM organisation_fact WHERE position > :after AND position <= :last AND fenced = 0;

-- name: retracted_between
-- Retractions that took effect in a stretch: the later of the two facts lies in it.
SELECT said, target FROM retraction WHERE target IS NOT NULL AND max(said, target) > :after AND max(said, target) <= :last;

-- name: first
SELECT position FROM first_fact WHERE organisation = :organisation;

-- name: retractions
SELECT said, target FROM retraction WHERE target IS NOT NULL;

-- name: ahead_of
-- Null: more than one person's findings depend on it (projections/reports.sql).
SELECT DISTINCT CASE WHEN numbered = 1 OR EXISTS (SELECT 1 FROM report) THEN NULL ELSE person END FROM ahead WHERE time > :now;
