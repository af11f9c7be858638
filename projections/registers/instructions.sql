-- Instructions and warranties of clients.

-- name: create
CREATE TABLE IF NOT EXISTS instruction (
    position INTEGER PRIMARY KEY,
    said TEXT NOT NULL,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    time INTEGER NOT NULL,
    instruction TEXT NOT NULL,
    parameters TEXT NOT NULL,
    parts TEXT NOT NULL,
    reference TEXT NOT NULL,
    country TEXT NOT NULL
);

-- name: add
INSERT INTO instruction VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
SELECT organisation, client, said, instruction, parameters, parts, reference, country, time FROM instruction
WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL) AND (:organisation IS NULL OR organisation = :organisation)
ORDER BY organisation, client, time, position;
