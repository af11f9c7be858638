-- Contracts with processors, clients and people.

-- name: create
CREATE TABLE IF NOT EXISTS contract (
    position INTEGER PRIMARY KEY,
    said TEXT NOT NULL,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    time INTEGER NOT NULL,
    reference TEXT NOT NULL,
    party TEXT NOT NULL,
    kind TEXT NOT NULL,
    from_day TEXT NOT NULL,
    until TEXT NOT NULL,
    country TEXT NOT NULL,
    recipients TEXT NOT NULL,
    services TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS contract_of ON contract (organisation, reference);

-- name: add
INSERT INTO contract VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
WITH counting AS (SELECT * FROM contract WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL))
SELECT s.organisation, s.person, s.client, s.reference, s.party, s.kind, s.time AS signed, s.from_day AS "from", s.until, (
    SELECT min(e.time) FROM counting AS e
    WHERE e.said = 'ended' AND e.organisation = s.organisation AND e.reference = s.reference AND e.time >= s.time
      AND e.person IN ('', s.person)
) AS ended, s.country, s.recipients, s.services
FROM counting AS s
WHERE s.said = 'signed' AND (:organisation IS NULL OR s.organisation = :organisation)
ORDER BY s.organisation, s.time, s.position;
