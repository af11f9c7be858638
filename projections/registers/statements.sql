-- Announcements of versions of a statement.

-- name: create
CREATE TABLE IF NOT EXISTS announcement (
    position INTEGER PRIMARY KEY,
    said TEXT NOT NULL,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    time INTEGER NOT NULL,
    version TEXT NOT NULL,
    channel TEXT NOT NULL
);

-- name: add
INSERT INTO announcement VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
SELECT organisation, version, channel, time FROM announcement
WHERE position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL) AND (:organisation IS NULL OR organisation = :organisation)
ORDER BY organisation, time, position;
