-- Controls that were executed.

-- name: create
CREATE TABLE IF NOT EXISTS control (
    position INTEGER PRIMARY KEY,
    said TEXT NOT NULL,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    time INTEGER NOT NULL,
    control TEXT NOT NULL,
    found INTEGER,
    handled INTEGER,
    signed_by TEXT NOT NULL
);

-- name: add
INSERT INTO control VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
SELECT organisation, control, time, found, handled, signed_by FROM control
WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL) AND (:organisation IS NULL OR organisation = :organisation)
ORDER BY organisation, control, time, position;
