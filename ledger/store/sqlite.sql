-- The event log in SQLite: tables beside the library's own (stored_events, tracking), and what is asked of them.

-- name: create
-- Every row here is written in the transaction of the events that it belongs to.

-- Which ledger this is, and in which layout it was written.
CREATE TABLE IF NOT EXISTS meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row per recorded event. The producer's id leads, so that time-ordered ids append. `content` is a MAC
-- under the person's own key: equal content can be recognised while that key lives, and not afterwards.
CREATE TABLE IF NOT EXISTS event_id (
    id TEXT NOT NULL,
    source INTEGER NOT NULL,
    content BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (id, source)
) WITHOUT ROWID;

-- CloudEvents sources by number, so that no text is repeated in event_id.
CREATE TABLE IF NOT EXISTS source (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Inputs that could not be recorded, sealed, each with its place and its reason.
CREATE TABLE IF NOT EXISTS quarantine (
    number INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    place INTEGER NOT NULL,
    topic TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    source TEXT,
    event_id TEXT,
    recorded TEXT NOT NULL,
    size INTEGER NOT NULL,
    content BLOB NOT NULL,
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    UNIQUE (stream, place)
);
CREATE INDEX IF NOT EXISTS quarantine_content ON quarantine (content);

-- What became of the inputs of a stream or source: recorded, duplicate, each reason of quarantine, unknown fields.
CREATE TABLE IF NOT EXISTS tally (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    last_heard TEXT,
    PRIMARY KEY (name, kind)
) WITHOUT ROWID;

-- Where the ledger's own decisions stand, so that none has to be searched for.
CREATE TABLE IF NOT EXISTS decision (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    topic TEXT NOT NULL
);

-- One row each time keys were destroyed; an append that sealed under an older generation rolls back.
CREATE TABLE IF NOT EXISTS generation (
    number INTEGER PRIMARY KEY,
    time TEXT NOT NULL
);

-- Names of organisations' clients, recipients and systems that no pack lists, sealed under the organisation's key.
CREATE TABLE IF NOT EXISTS name (
    organisation TEXT NOT NULL,
    token TEXT NOT NULL,
    key TEXT NOT NULL,
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (organisation, token)
) WITHOUT ROWID;

-- The evidence tree over the log: hash tiles of height 8; level 0 holds leaf hashes.
CREATE TABLE IF NOT EXISTS tile (
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, number)
);

-- How many leaves the tree has: the position of the last record.
CREATE TABLE IF NOT EXISTS tree (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL
);

-- Every head of the tree that was signed; one per size, for ever.
CREATE TABLE IF NOT EXISTS checkpoint (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL,
    signed TEXT NOT NULL
);

-- name: known
-- The producer's id leads in event_id, so each id is one look-up.
SELECT s.name, e.id, e.content, e.position FROM json_each(?) AS j
CROSS JOIN event_id AS e ON e.id = j.value JOIN source AS s ON s.number = e.source

-- name: position_of
SELECT s.name, e.position FROM event_id e JOIN source s ON s.number = e.source WHERE e.id = ?

-- name: read
SELECT rowid, * FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?

-- name: at
SELECT rowid, * FROM stored_events WHERE rowid IN (SELECT value FROM json_each(?)) ORDER BY rowid

-- name: size
SELECT COALESCE(MAX(rowid), 0) FROM stored_events

-- name: tree_size
SELECT size FROM tree

-- name: marks
SELECT application_name, notification_id FROM tracking

-- name: tallies
SELECT name, kind, count, last_heard FROM tally

-- name: generation
SELECT COALESCE(MAX(number), 0) FROM generation

-- name: generation_time
SELECT time FROM generation WHERE number = ?

-- name: generations
SELECT time FROM generation ORDER BY number

-- name: decisions
SELECT e.rowid, e.* FROM decision d JOIN stored_events e ON e.rowid = d.position
WHERE d.position > ? AND (? IS NULL OR d.topic = ?) ORDER BY d.position

-- name: last_decision
SELECT e.rowid, e.* FROM decision d JOIN stored_events e ON e.rowid = d.position
WHERE d.topic = ? ORDER BY d.position DESC LIMIT 1

-- name: where_decisions_stand
SELECT position, stream, topic FROM decision ORDER BY position

-- name: quarantine
SELECT number, stream, place, topic, reason, detail, source, event_id, recorded, size, nonce, sealed, key, state
FROM quarantine WHERE ? IS NULL OR number = ? ORDER BY number

-- name: quarantined_by_stream
SELECT stream, COUNT(*) FROM quarantine GROUP BY stream

-- name: names
SELECT organisation, token, key, nonce, sealed FROM name

-- name: ids
SELECT e.position, s.name, e.id FROM event_id e LEFT JOIN source s ON s.number = e.source
WHERE e.position > ? AND e.position <= ?

-- name: tile
SELECT hashes FROM tile WHERE level = ? AND number = ?

-- name: tiles
SELECT level, number FROM tile ORDER BY level, number

-- name: checkpoints
SELECT size, note FROM checkpoint ORDER BY size
