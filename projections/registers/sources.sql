-- Sources: what each service sent, when it was last heard, and where its numbering has gaps.

-- name: create
CREATE TABLE IF NOT EXISTS source_events (
    source TEXT NOT NULL,
    organisation TEXT NOT NULL,
    type TEXT NOT NULL,
    events INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    heard INTEGER NOT NULL,
    PRIMARY KEY (source, organisation, type)
) WITHOUT ROWID;

-- Stretches of consecutive numbers that arrived; what lies between two stretches is missing. `first_at` is the
-- position of the fact with the first number (of several, the earliest): before it the gap shows.
CREATE TABLE IF NOT EXISTS source_stretch (
    source TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    PRIMARY KEY (source, first)
) WITHOUT ROWID;

-- What services say that they sent.
CREATE TABLE IF NOT EXISTS source_report (
    position INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    organisation TEXT NOT NULL,
    time INTEGER NOT NULL,
    said TEXT NOT NULL
);

-- name: add
INSERT INTO source_events VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET events = events + excluded.events, first = min(first, excluded.first), last = max(last, excluded.last),
    heard = max(heard, excluded.heard);

-- name: near
-- The stretches that a new one touches or overlaps.
SELECT first, last, first_time, first_at FROM source_stretch WHERE source = :source AND first <= :last + 1 AND last >= :first - 1;

-- name: drop_stretch
DELETE FROM source_stretch WHERE source = ? AND first = ?;

-- name: add_stretch
INSERT INTO source_stretch VALUES (?, ?, ?, ?, ?);

-- name: add_report
INSERT INTO source_report VALUES (?, ?, ?, ?, ?);

-- name: list
SELECT source, organisation, sum(events) AS events, min(first) AS first, max(last) AS last, max(heard) AS heard,
    json_group_object(type, events) AS types
FROM (SELECT * FROM source_events ORDER BY source, organisation, type)
WHERE :organisation IS NULL OR organisation = :organisation
GROUP BY source, organisation ORDER BY source, organisation;

-- name: gaps
-- How many numbers are missing, and between which.
SELECT count(*) - 1 AS gaps, max(last) - min(first) + 1 - sum(last - first + 1) AS missing, max(last) AS highest
FROM source_stretch WHERE source = :source HAVING count(*) > 0;

-- name: reports
SELECT count(*) AS reports, max(time) AS reported FROM source_report WHERE source = :source AND organisation = :of;
