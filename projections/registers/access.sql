-- Access to clients' systems (contract: pdl.access.*).

-- name: create
CREATE TABLE IF NOT EXISTS access (
    position INTEGER PRIMARY KEY,
    said TEXT NOT NULL,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    time INTEGER NOT NULL,
    reference TEXT NOT NULL,
    scope TEXT NOT NULL,
    purpose TEXT NOT NULL,
    target TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS access_of ON access (organisation, reference);

-- name: add
INSERT INTO access VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
-- A use belongs to the last grant before it with its reference, target and purpose that was not closed by then.
WITH counting AS (
    SELECT * FROM access
    WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL)
      AND (:organisation IS NULL OR organisation = :organisation)
), granted AS (
    SELECT g.*, (
        SELECT min(c.time) FROM counting AS c
        WHERE c.said = 'closed' AND c.organisation = g.organisation AND c.reference = g.reference AND c.time > g.time
          AND c.scope IN ('', g.scope) AND c.target IN ('', g.target)
    ) AS closed
    FROM counting AS g WHERE g.said = 'granted'
), used AS (
    SELECT u.*, (
        SELECT g.position FROM granted AS g
        WHERE g.organisation = u.organisation AND g.reference = u.reference AND g.target = u.target AND g.scope = u.purpose
          AND g.time <= u.time AND (g.closed IS NULL OR u.time <= g.closed)
        ORDER BY g.time DESC, g.position DESC LIMIT 1
    ) AS grant_at
    FROM counting AS u WHERE u.said = 'used'
)
SELECT g.organisation, g.client, g.reference, g.scope, g.target, g.time AS granted, g.closed,
    count(u.position) AS uses, max(u.time) AS last_used
FROM granted AS g LEFT JOIN used AS u ON u.grant_at = g.position
GROUP BY g.position, g.organisation, g.client, g.reference, g.scope, g.target, g.time, g.closed
UNION ALL
SELECT organisation, client, reference, purpose, target, NULL, NULL, count(*), max(time) FROM used
WHERE grant_at IS NULL
GROUP BY organisation, client, reference, purpose, target
ORDER BY 1, 6, 3, 4, 5, 9;
