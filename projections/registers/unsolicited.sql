-- Unsolicited personal data.

-- name: create
CREATE TABLE IF NOT EXISTS unsolicited (
    position INTEGER PRIMARY KEY,
    said TEXT NOT NULL,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    time INTEGER NOT NULL,
    reference TEXT NOT NULL,
    decision TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS unsolicited_of ON unsolicited (organisation, reference);

-- name: add
INSERT INTO unsolicited VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
-- The first triage with its reference at or after it decides; what was decided at once needs none.
WITH counting AS (
    SELECT * FROM unsolicited
    WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL)
      AND (:organisation IS NULL OR organisation = :organisation)
), decided AS (
    SELECT r.position AS received_at, t.time, t.decision,
        row_number() OVER (PARTITION BY r.position ORDER BY t.time, t.position) AS rank
    FROM counting AS r JOIN counting AS t
      ON t.organisation = r.organisation AND t.reference = r.reference AND t.said = 'triaged' AND t.time >= r.time
     AND t.person IN ('', r.person)
    WHERE r.said = 'received' AND r.decision = ''
)
SELECT r.organisation, r.person, r.client, r.reference, r.time AS received,
    CASE WHEN r.decision <> '' THEN r.time ELSE d.time END AS triaged,
    CASE WHEN r.decision <> '' THEN r.decision ELSE d.decision END AS decision
FROM counting AS r LEFT JOIN decided AS d ON d.received_at = r.position AND d.rank = 1
WHERE r.said = 'received'
ORDER BY r.organisation, r.time, r.position;
