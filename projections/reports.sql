-- What services say that they sent, against what was received.

-- name: create
-- The first and last moment of the facts in each stretch of 4,096 positions: where to look for a period.
CREATE TABLE IF NOT EXISTS zone (
    number INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS report (
    position INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    organisation TEXT NOT NULL,
    starts INTEGER NOT NULL,
    ends INTEGER NOT NULL
);

-- How many facts of each type were received of the period that a report is about, by now.
CREATE TABLE IF NOT EXISTS report_received (
    position INTEGER NOT NULL,
    type TEXT NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (position, type)
) WITHOUT ROWID;

-- name: add_zone
INSERT INTO zone VALUES (?, ?, ?)
ON CONFLICT (number) DO UPDATE SET first = min(zone.first, excluded.first), last = max(zone.last, excluded.last);

-- name: reports
SELECT position, source, organisation, starts, ends FROM report ORDER BY position;

-- name: add_report
INSERT INTO report VALUES (?, ?, ?, ?, ?);

-- name: add_received
INSERT INTO report_received VALUES (?, ?, ?) ON CONFLICT (position, type) DO UPDATE SET events = report_received.events + excluded.events;

-- name: zones
SELECT number, first, last FROM zone ORDER BY number;

-- name: received
SELECT type, events FROM report_received WHERE position = :position ORDER BY type;
