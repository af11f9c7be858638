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
    last_time INTEGER NOT NULL,
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

-- Who is registered, for which organisation ('*': any), and how often it is heard at least.
CREATE TABLE IF NOT EXISTS source_grant (
    source TEXT NOT NULL,
    organisation TEXT NOT NULL,
    activities TEXT NOT NULL,
    types TEXT NOT NULL,
    every TEXT,
    since INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (source, organisation)
) WITHOUT ROWID;

-- When each source was last heard, and its pauses of more than an hour: a cadence may be agreed on later.
CREATE TABLE IF NOT EXISTS source_heard (
    source TEXT PRIMARY KEY,
    heard INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS source_pause (
    source TEXT NOT NULL,
    starts INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    PRIMARY KEY (source, starts)
) WITHOUT ROWID;

-- name: grant
INSERT INTO source_grant VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (source, organisation) DO UPDATE SET activities = excluded.activities, types = excluded.types, every = excluded.every, since = excluded.since, position = excluded.position;

-- name: withdraw
DELETE FROM source_grant WHERE source = :source AND (:organisation = '*' OR organisation = :organisation);

-- name: grants
SELECT source, organisation, activities, types, every, since FROM source_grant ORDER BY source, organisation;

-- name: cadences
-- The cadence of a source is the one that was said last; it runs from that moment.
SELECT source, every, position, since FROM source_grant AS g
WHERE position = (SELECT max(position) FROM source_grant AS other WHERE other.source = g.source) ORDER BY source;

-- name: heard
SELECT heard FROM source_heard WHERE source = ?;

-- name: hear
INSERT INTO source_heard VALUES (?, ?)
ON CONFLICT (source) DO UPDATE SET heard = excluded.heard;

-- name: add_pause
INSERT INTO source_pause VALUES (?, ?, ?);

-- name: pauses
SELECT starts, ends FROM source_pause WHERE source = ? AND ends > ? ORDER BY starts;

-- name: organisations_of
SELECT DISTINCT organisation FROM source_events WHERE source = ? ORDER BY organisation;

-- name: spoken_for
SELECT DISTINCT source FROM source_events WHERE :organisation IS NULL OR organisation = :organisation ORDER BY source;

-- name: numbered_to
-- The time of the last number before the first gap; of the last number of all where there is none.
SELECT last_time FROM source_stretch WHERE source = ? ORDER BY first LIMIT 1;

-- name: said
SELECT position, source, organisation, said FROM source_report WHERE source = ? ORDER BY position;

-- name: add
INSERT INTO source_events VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (source, organisation, type)
DO UPDATE SET events = source_events.events + excluded.events, first = min(source_events.first, excluded.first), last = max(source_events.last, excluded.last),
    heard = max(source_events.heard, excluded.heard);

-- name: near
-- The stretches that a new one touches or overlaps.
SELECT first, last, first_time, first_at, last_time FROM source_stretch WHERE source = :source AND first <= :last + 1 AND last >= :first - 1;

-- name: drop_stretch
DELETE FROM source_stretch WHERE source = ? AND first = ?;

-- name: add_stretch
INSERT INTO source_stretch VALUES (?, ?, ?, ?, ?, ?);

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
