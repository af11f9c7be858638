-- Restrictions of processing.

-- name: create
CREATE TABLE IF NOT EXISTS restriction (
    position INTEGER PRIMARY KEY,
    said TEXT NOT NULL,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    time INTEGER NOT NULL,
    ground TEXT NOT NULL,
    reference TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS restriction_of ON restriction (organisation, person);

-- name: add
INSERT INTO restriction VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
WITH counting AS (SELECT * FROM restriction WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL))
SELECT p.organisation, p.person, p.client, p.ground, p.reference, p.time AS placed, (
    SELECT min(l.time) FROM counting AS l
    WHERE l.said = 'lifted' AND l.organisation = p.organisation AND l.person = p.person AND l.time >= p.time
      AND (l.ground = p.ground OR l.ground = '' OR p.ground = '')
) AS lifted
FROM counting AS p
WHERE p.said = 'placed' AND (:organisation IS NULL OR p.organisation = :organisation)
ORDER BY p.organisation, p.time, p.position;
