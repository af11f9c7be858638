-- The event log in PostgreSQL: tables beside the library's own (stored_events, notification_tracking), and what is asked of them.

-- name: create
-- Every row here is written in the transaction of the events that it belongs to.

-- Which ledger this is, and in which layout it was written.
CREATE TABLE IF NOT EXISTS meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row per recorded event. The producer's id leads, so that time-ordered ids append. `content` is a MAC
-- under the person's own key: equal content can be recognised while that key lives, and not afterwards.
CREATE TABLE IF NOT EXISTS event_id (
    id TEXT NOT NULL,
    source INTEGER NOT NULL,
    content BYTEA NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (id, source)
);

-- CloudEvents sources by number, so that no text is repeated in event_id.
CREATE TABLE IF NOT EXISTS source (
    number INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Inputs that could not be recorded, sealed, each with its place and its reason.
CREATE TABLE IF NOT EXISTS quarantine (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream TEXT NOT NULL,
    place BIGINT NOT NULL,
    topic TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    source TEXT,
    event_id TEXT,
    recorded TEXT NOT NULL,
    size BIGINT NOT NULL,
    content BYTEA NOT NULL,
    nonce BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting',
    UNIQUE (stream, place)
);
CREATE INDEX IF NOT EXISTS quarantine_content ON quarantine (content);

-- What became of the inputs of a stream or source: recorded, duplicate, each reason of quarantine, unknown fields.
CREATE TABLE IF NOT EXISTS tally (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    count BIGINT NOT NULL,
    last_heard TEXT,
    PRIMARY KEY (name, kind)
);

-- Where the ledger's own decisions stand, so that none has to be searched for.
CREATE TABLE IF NOT EXISTS decision (
    position BIGINT PRIMARY KEY,
    stream TEXT NOT NULL,
    topic TEXT NOT NULL
);

-- One row each time keys were destroyed; an append that sealed under an older generation rolls back.
CREATE TABLE IF NOT EXISTS generation (
    number BIGINT PRIMARY KEY,
    time TEXT NOT NULL
);

-- Names of organisations' clients, recipients and systems that no pack lists, sealed under the organisation's key.
CREATE TABLE IF NOT EXISTS name (
    organisation TEXT NOT NULL,
    token TEXT NOT NULL,
    key TEXT NOT NULL,
    nonce BYTEA NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (organisation, token)
);

-- The evidence tree over the log: hash tiles of height 8; level 0 holds leaf hashes.
CREATE TABLE IF NOT EXISTS tile (
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hashes BYTEA NOT NULL,
    PRIMARY KEY (level, number)
);

-- How many leaves the tree has: the position of the last record.
CREATE TABLE IF NOT EXISTS tree (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size BIGINT NOT NULL
);

-- Every head of the tree that was signed; one per size, for ever.
CREATE TABLE IF NOT EXISTS checkpoint (
    size BIGINT PRIMARY KEY,
    note TEXT NOT NULL,
    signed TEXT NOT NULL
);

-- name: known
-- The producer's id leads in event_id, so each id is one look-up.
SELECT s.name, e.id, e.content, e.position FROM jsonb_array_elements_text(%s::jsonb) AS j(id)
JOIN event_id AS e ON e.id = j.id JOIN source AS s ON s.number = e.source

-- name: position_of
SELECT s.name, e.position FROM event_id e JOIN source s ON s.number = e.source WHERE e.id = %s

-- name: read
SELECT notification_id, originator_id, originator_version, topic, state FROM stored_events
WHERE notification_id > %s ORDER BY notification_id LIMIT %s

-- name: at
SELECT notification_id, originator_id, originator_version, topic, state FROM stored_events
WHERE notification_id IN (SELECT n::bigint FROM jsonb_array_elements_text(%s::jsonb) AS j(n)) ORDER BY notification_id

-- name: size
SELECT COALESCE(MAX(notification_id), 0) FROM stored_events

-- name: tree_size
SELECT size FROM tree

-- name: marks
SELECT application_name, notification_id FROM notification_tracking

-- name: tallies
SELECT name, kind, count, last_heard FROM tally

-- name: generation
SELECT COALESCE(MAX(number), 0) FROM generation

-- name: generation_time
SELECT time FROM generation WHERE number = %s

-- name: generations
SELECT time FROM generation ORDER BY number

-- name: decisions
SELECT e.notification_id, e.originator_id, e.originator_version, e.topic, e.state FROM decision d JOIN stored_events e ON e.notification_id = d.position
WHERE d.position > %s AND (%s::text IS NULL OR d.topic = %s) ORDER BY d.position

-- name: last_decision
SELECT e.notification_id, e.originator_id, e.originator_version, e.topic, e.state FROM decision d JOIN stored_events e ON e.notification_id = d.position
WHERE d.topic = %s ORDER BY d.position DESC LIMIT 1

-- name: where_decisions_stand
SELECT position, stream, topic FROM decision ORDER BY position

-- name: quarantine
SELECT number, stream, place, topic, reason, detail, source, event_id, recorded, size, nonce, sealed, key, state
FROM quarantine WHERE %s::bigint IS NULL OR number = %s ORDER BY number

-- name: quarantined_by_stream
SELECT stream, COUNT(*) FROM quarantine GROUP BY stream

-- name: names
SELECT organisation, token, key, nonce, sealed FROM name

-- name: ids
SELECT e.position, s.name, e.id FROM event_id e LEFT JOIN source s ON s.number = e.source
WHERE e.position > %s AND e.position <= %s

-- name: tile
SELECT hashes FROM tile WHERE level = %s AND number = %s

-- name: tiles
SELECT level, number FROM tile ORDER BY level, number

-- name: checkpoints
SELECT size, note FROM checkpoint ORDER BY size

-- name: plain
SELECT notification_id, originator_id, topic, state FROM stored_events
WHERE notification_id > %s ORDER BY notification_id LIMIT %s

-- name: quarantined_before
SELECT content FROM quarantine WHERE content = ANY(%s::bytea[])

-- name: add_sources
INSERT INTO source (name) SELECT unnest(%s::text[]) ON CONFLICT (name) DO NOTHING

-- name: source_numbers
SELECT name, number FROM source WHERE name = ANY(%s::text[])

-- name: copy_events
COPY stored_events (originator_id, originator_version, topic, state, notification_id) FROM STDIN (FORMAT BINARY)

-- name: copy_ids
COPY event_id (id, source, content, position) FROM STDIN (FORMAT BINARY)

-- name: add_quarantine
INSERT INTO quarantine (stream, recorded, place, topic, reason, detail, source, event_id, size, content, nonce, sealed, key)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (stream, place) DO NOTHING

-- name: settle_quarantine
UPDATE quarantine SET state = %s, nonce = '', sealed = '' WHERE number = ANY(%s::bigint[])

-- name: add_name
INSERT INTO name VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING

-- name: add_tallies
INSERT INTO tally SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[])
ON CONFLICT (name, kind) DO UPDATE SET count = tally.count + excluded.count, last_heard = excluded.last_heard

-- name: set_tiles
INSERT INTO tile SELECT * FROM unnest(%s::int[], %s::int[], %s::bytea[])
ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes

-- name: set_tree
INSERT INTO tree VALUES (1, %s) ON CONFLICT (one) DO UPDATE SET size = excluded.size

-- name: add_decision
INSERT INTO decision VALUES (%s, %s, %s)

-- name: next_generation
INSERT INTO generation (number, time) SELECT COALESCE(MAX(number), 0) + 1, %s FROM generation

-- name: add_checkpoint
INSERT INTO checkpoint VALUES (%s, %s, %s) ON CONFLICT (size) DO NOTHING

-- name: checkpoint
SELECT note FROM checkpoint WHERE size = %s

-- name: replace_state
UPDATE stored_events SET state = %s WHERE notification_id = %s

-- name: begin_meta
INSERT INTO meta VALUES ('ledger', %s), ('layout', %s) ON CONFLICT (name) DO NOTHING

-- name: meta
SELECT name, value FROM meta
