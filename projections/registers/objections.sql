-- Objections.

-- name: create
CREATE TABLE IF NOT EXISTS objection (
    position INTEGER PRIMARY KEY,
    said TEXT NOT NULL,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    time INTEGER NOT NULL,
    activity TEXT NOT NULL,
    purpose TEXT NOT NULL,
    outcome TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS objection_of ON objection (organisation, person);

-- name: add
INSERT INTO objection VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
WITH counting AS (SELECT * FROM objection WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL)), answers AS (
    SELECT r.position AS raised_at, a.time, a.outcome, row_number() OVER (PARTITION BY r.position ORDER BY a.time, a.position) AS rank
    FROM counting AS r JOIN counting AS a
      ON a.organisation = r.organisation AND a.person = r.person AND a.purpose = r.purpose AND a.said = 'answered' AND a.time >= r.time
    WHERE r.said = 'raised'
)
SELECT r.organisation, r.person, r.client, r.activity, r.purpose, r.time AS raised, a.time AS answered, a.outcome
FROM counting AS r LEFT JOIN answers AS a ON a.raised_at = r.position AND a.rank = 1
WHERE r.said = 'raised' AND (:organisation IS NULL OR r.organisation = :organisation)
ORDER BY r.organisation, r.time, r.position;
