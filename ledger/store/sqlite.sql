-- Tables beside the library's own (stored_events, tracking) in log.db. Every row here is written in the
-- transaction of the events that it belongs to.

-- name: meta
-- Which ledger this is, and in which layout it was written.
CREATE TABLE IF NOT EXISTS meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- name: event_id
-- One row per recorded event. The producer's id leads, so that time-ordered ids append. `content` is a MAC
-- under the person's own key: equal content can be recognised while that key lives, and not afterwards.
CREATE TABLE IF NOT EXISTS event_id (
    id TEXT NOT NULL,
    source INTEGER NOT NULL,
    content BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (id, source)
) WITHOUT ROWID;

-- name: source
-- CloudEvents sources by number, so that no text is repeated in event_id.
CREATE TABLE IF NOT EXISTS source (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- name: quarantine
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

-- name: tally
-- What became of the inputs of a stream or source: recorded, duplicate, each reason of quarantine, unknown fields.
CREATE TABLE IF NOT EXISTS tally (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    last_heard TEXT,
    PRIMARY KEY (name, kind)
) WITHOUT ROWID;

-- name: decision
-- Where the ledger's own decisions stand, so that none has to be searched for.
CREATE TABLE IF NOT EXISTS decision (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    topic TEXT NOT NULL
);

-- name: generation
-- One row each time keys were destroyed; an append that sealed under an older generation rolls back.
CREATE TABLE IF NOT EXISTS generation (
    number INTEGER PRIMARY KEY,
    time TEXT NOT NULL
);

-- name: name
-- Names of organisations' clients, recipients and systems that no pack lists, sealed under the organisation's key.
CREATE TABLE IF NOT EXISTS name (
    organisation TEXT NOT NULL,
    token TEXT NOT NULL,
    key TEXT NOT NULL,
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (organisation, token)
) WITHOUT ROWID;

-- name: tile
-- The evidence tree over the log: hash tiles of height 8; level 0 holds leaf hashes.
CREATE TABLE IF NOT EXISTS tile (
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, number)
);

-- name: tree
-- How many leaves the tree has: the position of the last record.
CREATE TABLE IF NOT EXISTS tree (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL
);

-- name: checkpoint
-- Every head of the tree that was signed; one per size, for ever.
CREATE TABLE IF NOT EXISTS checkpoint (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL,
    signed TEXT NOT NULL
);
