-- Requests of people (GDPR Art. 12, 15-22): what was asked, and what became of it.

-- name: create
-- One row per fact about a request, in the order of the log.
CREATE TABLE IF NOT EXISTS request (
    position INTEGER PRIMARY KEY,
    organisation TEXT NOT NULL,
    person TEXT,
    client TEXT NOT NULL,
    reference TEXT NOT NULL,
    what TEXT NOT NULL,
    "right" TEXT NOT NULL,
    time INTEGER NOT NULL,
    channel TEXT NOT NULL,
    informed INTEGER,
    outcome TEXT NOT NULL,
    remedy_named INTEGER,
    forwarded_to TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS request_of ON request (organisation, reference);
CREATE INDEX IF NOT EXISTS request_by_person ON request (person);

-- name: add
INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
-- Each request received, with the first extension and the first answer, refusal or forwarding at or after it.
WITH counting AS (
    SELECT * FROM request WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL)
), answers AS (
    SELECT r.position AS received_at, a.*,
        row_number() OVER (PARTITION BY r.position, a.what ORDER BY a.time, a.position) AS rank
    FROM counting AS r JOIN counting AS a
      ON a.organisation = r.organisation AND a.reference = r.reference AND a.what <> 'received' AND a.time >= r.time
     AND (a.person IS NULL OR a.person = r.person)
    WHERE r.what = 'received'
)
SELECT r.organisation, r.person, r.client, r.reference, r."right", r.channel, r.time AS received,
    e.time AS extended, e.informed AS informed, a.time AS answered, a.outcome, f.time AS refused, f.remedy_named, w.time AS forwarded,
    w.forwarded_to
FROM counting AS r
LEFT JOIN answers AS e ON e.received_at = r.position AND e.what = 'extended' AND e.rank = 1
LEFT JOIN answers AS a ON a.received_at = r.position AND a.what = 'answered' AND a.rank = 1
LEFT JOIN answers AS f ON f.received_at = r.position AND f.what = 'refused' AND f.rank = 1
LEFT JOIN answers AS w ON w.received_at = r.position AND w.what = 'forwarded' AND w.rank = 1
WHERE r.what = 'received' AND (:organisation IS NULL OR r.organisation = :organisation)
ORDER BY r.organisation, r.time, r.reference, r.position;

-- name: open
-- Requests of some people (a JSON list of pseudonyms) that nothing answered, refused or forwarded yet, at :now.
WITH counting AS (
    SELECT * FROM request WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL) AND time <= :now
)
SELECT r.organisation, r.person, r.client, r.reference, r."right" FROM json_each(:people) AS wanted
JOIN counting AS r ON r.person = wanted.value AND r.what = 'received'
WHERE NOT EXISTS (
    SELECT 1 FROM counting AS a
    WHERE a.organisation = r.organisation AND a.reference = r.reference AND a.time >= r.time
      AND a.what IN ('answered', 'refused', 'forwarded') AND (a.person IS NULL OR a.person = r.person)
)
ORDER BY r.organisation, r.time, r.position;
