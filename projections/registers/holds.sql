-- Holds: duties to keep data (GDPR Art. 17(3)) and what ended them.

-- name: create
CREATE TABLE IF NOT EXISTS hold (
    position INTEGER PRIMARY KEY,
    organisation TEXT NOT NULL,
    person TEXT,
    client TEXT NOT NULL,
    reference TEXT NOT NULL,
    released INTEGER NOT NULL,
    datasets TEXT NOT NULL,
    statute TEXT NOT NULL,
    time INTEGER NOT NULL,
    until INTEGER
);
CREATE INDEX IF NOT EXISTS hold_of ON hold (organisation, reference);

-- name: add
INSERT INTO hold VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
-- A release ends the hold with its reference: of the same person, or of everyone where it names none.
WITH counting AS (
    SELECT * FROM hold WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL)
), placed AS (
    SELECT p.*, (
        SELECT min(r.time) FROM counting AS r
        WHERE r.released = 1 AND r.organisation = p.organisation AND r.reference = p.reference AND r.time >= p.time
          AND (r.person IS NULL OR p.person IS NULL OR r.person = p.person)
    ) AS released_at
    FROM counting AS p WHERE p.released = 0 AND (:organisation IS NULL OR p.organisation = :organisation)
)
SELECT organisation, person, client, statute, datasets, reference, time AS placed, until, released_at AS released,
    CASE WHEN released_at IS NOT NULL AND released_at <= :now THEN 'released'
         WHEN until IS NOT NULL AND until <= :now THEN 'ended' ELSE 'in force' END AS state
FROM placed ORDER BY organisation, placed, reference, person;
