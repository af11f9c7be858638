-- Processors and subprocessors.

-- name: create
CREATE TABLE IF NOT EXISTS processor (
    position INTEGER PRIMARY KEY,
    said TEXT NOT NULL,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    time INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    services TEXT NOT NULL,
    country TEXT NOT NULL,
    announced_at TEXT NOT NULL
);

-- name: add
INSERT INTO processor VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
WITH counting AS (SELECT * FROM processor WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL))
SELECT s.organisation, s.recipient, s.services, s.country, s.time AS engaged, s.announced_at, (
    SELECT min(e.time) FROM counting AS e
    WHERE e.said = 'ended' AND e.organisation = s.organisation AND e.recipient = s.recipient AND e.time >= s.time
) AS ended
FROM counting AS s
WHERE s.said = 'engaged' AND (:organisation IS NULL OR s.organisation = :organisation)
ORDER BY s.organisation, s.recipient, s.time, s.position;
