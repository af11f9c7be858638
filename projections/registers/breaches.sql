-- Personal data breaches.

-- name: create
CREATE TABLE IF NOT EXISTS breach (
    position INTEGER PRIMARY KEY,
    said TEXT NOT NULL,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    time INTEGER NOT NULL,
    reference TEXT NOT NULL,
    aware_at TEXT NOT NULL,
    told TEXT NOT NULL,
    categories TEXT NOT NULL,
    datasets TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS breach_of ON breach (organisation, reference);

-- name: add
INSERT INTO breach VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
WITH counting AS (SELECT * FROM breach WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL))
SELECT d.organisation, d.client, d.reference, d.time AS detected, d.aware_at,
    (SELECT min(n.time) FROM counting AS n WHERE n.organisation = d.organisation AND n.reference = d.reference AND n.told = 'authority') AS authority,
    (SELECT min(n.time) FROM counting AS n WHERE n.organisation = d.organisation AND n.reference = d.reference AND n.told = 'subjects') AS subjects,
    (SELECT min(n.time) FROM counting AS n WHERE n.organisation = d.organisation AND n.reference = d.reference AND n.told = 'controller') AS controller,
    (SELECT min(n.time) FROM counting AS n WHERE n.organisation = d.organisation AND n.reference = d.reference AND n.said = 'closed') AS closed,
    d.categories, d.datasets
FROM counting AS d
WHERE d.said = 'detected' AND (:organisation IS NULL OR d.organisation = :organisation)
ORDER BY d.organisation, d.time, d.position;
