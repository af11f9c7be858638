-- The key database. It holds wrapped keys only: a bucket key is wrapped under the root, a data key under its
-- bucket key, and no statement ever carries an unwrapped one.

-- name: create
-- Which ledger these keys belong to, in which layout, and how long the log was when its writer last said so.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
-- The epochs of the root, each with the root that wrapped everything in it. `closed`: when that root was destroyed,
-- after which nothing written before opens any more; `renewals`: how many bucket keys were replaced in it, so that
-- a process can tell that those which it remembers may be old; `mirrored`: whether a mirror had the next state by then.
CREATE TABLE epoch (
    number INTEGER PRIMARY KEY,
    root TEXT NOT NULL,
    renewals INTEGER NOT NULL DEFAULT 0,
    closed TEXT,
    mirrored INTEGER
);
-- Secrets of the ledger and of each organisation, wrapped under the root: signing seed, hash keys, fence keys.
CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    wrapped BLOB NOT NULL
) WITHOUT ROWID;
-- What a scope has in common with others, written once. Dataset '' is the shelf of the people themselves.
CREATE TABLE shelf (
    number INTEGER PRIMARY KEY,
    organisation TEXT NOT NULL,
    client TEXT NOT NULL,
    dataset TEXT NOT NULL,
    UNIQUE (organisation, client, dataset)
);
-- Bucket keys, one for about 1,024 people of a shelf whose records began in one month: how many it ever took,
-- how many still live, and whether somebody was erased since the key was made (then it goes with the epoch).
CREATE TABLE bucket (
    number INTEGER PRIMARY KEY,
    shelf INTEGER NOT NULL REFERENCES shelf,
    month TEXT NOT NULL,
    taken INTEGER NOT NULL,
    live INTEGER NOT NULL,
    stale INTEGER NOT NULL DEFAULT 0,
    wrapped BLOB NOT NULL
);
CREATE INDEX bucket_with_room ON bucket (shelf, month, taken);
CREATE INDEX stale_bucket ON bucket (number) WHERE stale;
-- Data keys, those of a bucket side by side, because they are wrapped anew together. `id` is the commitment, as hex.
CREATE TABLE key (
    bucket INTEGER NOT NULL REFERENCES bucket,
    id TEXT NOT NULL,
    person TEXT NOT NULL,
    shelf INTEGER NOT NULL REFERENCES shelf,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (bucket, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX key_by_id ON key (id);
CREATE UNIQUE INDEX key_by_scope ON key (person, shelf);
-- The way from an identifier to a person: a keyed hash, and the pseudonym sealed under a bucket key.
CREATE TABLE identifier (
    bucket INTEGER NOT NULL REFERENCES bucket,
    hash TEXT NOT NULL,
    person BLOB NOT NULL,
    PRIMARY KEY (bucket, hash)
) WITHOUT ROWID;
CREATE UNIQUE INDEX identifier_by_hash ON identifier (hash);
-- The way back, so that a person can go without being named: the hash, sealed under the same bucket key.
CREATE TABLE person (
    bucket INTEGER NOT NULL REFERENCES bucket,
    person TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (bucket, person)
) WITHOUT ROWID;
CREATE UNIQUE INDEX person_by_person ON person (person);
-- Tombstones of keys, and of people of whom nothing is left.
CREATE TABLE erased_key (
    id TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    shelf INTEGER NOT NULL REFERENCES shelf,
    case_id TEXT NOT NULL,
    generation INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX erased_key_by_person ON erased_key (person);
CREATE TABLE erased_person (
    person TEXT PRIMARY KEY,
    case_id TEXT NOT NULL,
    generation INTEGER NOT NULL
) WITHOUT ROWID;
-- What was destroyed under which case, in which epoch: irreversible once that epoch is closed. `at`: when use stopped.
CREATE TABLE destruction (
    case_id TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX destruction_by_epoch ON destruction (epoch);
-- Identifiers that were erased: their hash, hashed once more under the fence key of a period ('' is for ever).
CREATE TABLE fence (
    hash TEXT PRIMARY KEY,
    period TEXT NOT NULL,
    generation INTEGER NOT NULL
) WITHOUT ROWID;

-- name: from_layout_1
CREATE TABLE epoch (
    number INTEGER PRIMARY KEY,
    root TEXT NOT NULL,
    renewals INTEGER NOT NULL DEFAULT 0,
    closed TEXT,
    mirrored INTEGER
);
INSERT INTO epoch (number, root) SELECT COALESCE((SELECT MAX(epoch) FROM bucket), 1), value FROM meta WHERE name = 'root';
ALTER TABLE bucket DROP COLUMN epoch;
-- Nothing that was erased under layout 1 is irreversible yet: every bucket key goes with the first epoch.
ALTER TABLE bucket ADD COLUMN stale INTEGER NOT NULL DEFAULT 0;
UPDATE bucket SET stale = 1;
CREATE INDEX stale_bucket ON bucket (number) WHERE stale;
ALTER TABLE key RENAME TO key_1;
DROP INDEX key_by_id;
CREATE TABLE key (
    bucket INTEGER NOT NULL REFERENCES bucket,
    id TEXT NOT NULL,
    person TEXT NOT NULL,
    shelf INTEGER NOT NULL REFERENCES shelf,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (bucket, id)
) WITHOUT ROWID;
INSERT INTO key SELECT bucket, id, person, shelf, wrapped FROM key_1 ORDER BY bucket, id;
DROP TABLE key_1;
CREATE UNIQUE INDEX key_by_id ON key (id);
CREATE UNIQUE INDEX key_by_scope ON key (person, shelf);
ALTER TABLE identifier RENAME TO identifier_1;
CREATE TABLE identifier (
    bucket INTEGER NOT NULL REFERENCES bucket,
    hash TEXT NOT NULL,
    person BLOB NOT NULL,
    PRIMARY KEY (bucket, hash)
) WITHOUT ROWID;
INSERT INTO identifier SELECT bucket, hash, person FROM identifier_1 ORDER BY bucket, hash;
DROP TABLE identifier_1;
CREATE UNIQUE INDEX identifier_by_hash ON identifier (hash);
ALTER TABLE person RENAME TO person_1;
CREATE TABLE person (
    bucket INTEGER NOT NULL REFERENCES bucket,
    person TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (bucket, person)
) WITHOUT ROWID;
INSERT INTO person SELECT bucket, person, hash FROM person_1 ORDER BY bucket, person;
DROP TABLE person_1;
CREATE UNIQUE INDEX person_by_person ON person (person);
CREATE TABLE destruction (
    case_id TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX destruction_by_epoch ON destruction (epoch);
INSERT INTO destruction (case_id, epoch, at)
SELECT DISTINCT case_id, (SELECT number FROM epoch), '' FROM (SELECT case_id FROM erased_key UNION SELECT case_id FROM erased_person);
DELETE FROM meta WHERE name = 'root';
UPDATE meta SET value = '2' WHERE name = 'layout';

-- name: tables
SELECT name FROM sqlite_schema WHERE type = 'table';

-- name: meta
SELECT name, value FROM meta;

-- name: add_meta
INSERT INTO meta (name, value) VALUES (?, ?);

-- name: set_meta
INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: changed_by_others
-- Moves when another connection commits.
PRAGMA data_version;

-- name: epoch
-- The epoch that runs, and its root.
SELECT number, root, renewals FROM epoch ORDER BY number DESC LIMIT 1;

-- name: add_epoch
INSERT INTO epoch (number, root) VALUES (?, ?);

-- name: open_epochs
-- Epochs before the one that runs whose root may still exist.
SELECT number, root FROM epoch
WHERE closed IS NULL AND number < (SELECT MAX(number) FROM epoch) ORDER BY number;

-- name: close_epoch
UPDATE epoch SET closed = ?, mirrored = ? WHERE number = ? AND closed IS NULL;

-- name: last_closed
SELECT number, root, closed, mirrored FROM epoch WHERE closed IS NOT NULL ORDER BY number DESC LIMIT 1;

-- name: secret
-- With the root that it is wrapped under, read in the same moment.
SELECT wrapped, (SELECT root FROM epoch ORDER BY number DESC LIMIT 1) FROM secret WHERE name = ?;

-- name: secrets
SELECT name, wrapped FROM secret ORDER BY name;

-- name: rewrap_secret
UPDATE secret SET wrapped = ? WHERE name = ?;

-- name: drop_secret
DELETE FROM secret WHERE name = ?;

-- name: add_secret
INSERT INTO secret (name, wrapped) VALUES (?, ?);

-- name: shelves
SELECT number, organisation, client, dataset FROM shelf;

-- name: add_shelf
INSERT INTO shelf (organisation, client, dataset) VALUES (?, ?, ?) RETURNING number;

-- name: buckets
-- With the root that they are wrapped under, read in the same moment.
SELECT number, wrapped, (SELECT root FROM epoch ORDER BY number DESC LIMIT 1)
FROM bucket WHERE number IN (SELECT value FROM json_each(?));

-- name: every_bucket
SELECT number, wrapped FROM bucket ORDER BY number;

-- name: rewrap_bucket
UPDATE bucket SET wrapped = ? WHERE number = ?;

-- name: stale_buckets
SELECT number FROM bucket WHERE stale ORDER BY number;

-- name: mark_buckets_stale
UPDATE bucket SET stale = 1 WHERE number IN (SELECT value FROM json_each(?));

-- name: mark_every_bucket_stale
UPDATE bucket SET stale = 1;

-- name: renew_bucket
UPDATE bucket SET wrapped = ?, stale = 0 WHERE number = ?;

-- name: count_renewal
UPDATE epoch SET renewals = renewals + 1 WHERE number = (SELECT MAX(number) FROM epoch);

-- name: keys_in_bucket
SELECT id, person, shelf, wrapped FROM key WHERE bucket = ?;

-- name: rewrap_key
UPDATE key SET wrapped = ? WHERE bucket = ? AND id = ?;

-- name: identifiers_in_bucket
SELECT hash, person FROM identifier WHERE bucket = ?;

-- name: rewrap_identifier
UPDATE identifier SET person = ? WHERE bucket = ? AND hash = ?;

-- name: people_in_bucket
SELECT person, hash FROM person WHERE bucket = ?;

-- name: rewrap_person
UPDATE person SET hash = ? WHERE bucket = ? AND person = ?;

-- name: counts
SELECT (SELECT COUNT(*) FROM bucket), (SELECT COUNT(*) FROM bucket WHERE stale), (SELECT COUNT(*) FROM key);

-- name: bucket_with_room
SELECT number, taken FROM bucket WHERE shelf = ? AND month = ? AND taken < ? ORDER BY number LIMIT 1;

-- name: next_bucket
SELECT COALESCE(MAX(number), 0) + 1 FROM bucket;

-- name: add_bucket
INSERT INTO bucket (number, shelf, month, taken, live, wrapped) VALUES (?, ?, ?, 0, 0, ?);

-- name: fill_bucket
UPDATE bucket SET taken = taken + ?, live = live + ? WHERE number = ?;

-- name: empty_bucket
UPDATE bucket SET live = live - ? WHERE number = ?;

-- name: drop_empty_buckets
DELETE FROM bucket WHERE live <= 0 AND number IN (SELECT value FROM json_each(?));

-- name: people_by_hash
SELECT i.hash, i.bucket, i.person FROM json_each(?) AS wanted JOIN identifier AS i ON i.hash = wanted.value;

-- name: hashes_of_people
SELECT p.person, p.bucket, p.hash, b.shelf FROM json_each(?) AS wanted
JOIN person AS p ON p.person = wanted.value JOIN bucket AS b ON b.number = p.bucket;

-- name: add_identifier
INSERT INTO identifier (bucket, hash, person) VALUES (?, ?, ?);

-- name: add_person
INSERT INTO person (bucket, person, hash) VALUES (?, ?, ?);

-- name: drop_identifier
DELETE FROM identifier WHERE bucket = ? AND hash = ?;

-- name: drop_person
DELETE FROM person WHERE bucket = ? AND person = ?;

-- name: fences
SELECT f.hash, f.generation FROM json_each(?) AS wanted JOIN fence AS f ON f.hash = wanted.value;

-- name: any_fence
SELECT 1 FROM fence LIMIT 1;

-- name: add_fence
INSERT OR REPLACE INTO fence (hash, period, generation) VALUES (?, '', ?);

-- name: keys_of_people
SELECT k.person, k.shelf, k.id, k.bucket, k.wrapped FROM json_each(?) AS wanted JOIN key AS k ON k.person = wanted.value;

-- name: keys_of_organisations
-- As keys_of_people for the one person that is nobody; asked by shelf, because there are many.
SELECT k.person, k.shelf, k.id, k.bucket, k.wrapped FROM json_each(?) AS wanted
JOIN key AS k ON k.person = '' AND k.shelf = wanted.value;

-- name: keys_by_id
SELECT k.person, k.shelf, k.id, k.bucket, k.wrapped FROM json_each(?) AS wanted JOIN key AS k ON k.id = wanted.value;

-- name: add_key
INSERT INTO key (bucket, id, person, shelf, wrapped) VALUES (?, ?, ?, ?, ?);

-- name: drop_key
DELETE FROM key WHERE bucket = ? AND id = ?;

-- name: erased_keys_by_id
SELECT e.id, e.case_id FROM json_each(?) AS wanted JOIN erased_key AS e ON e.id = wanted.value;

-- name: erased_keys_of_people
-- The last tombstone of a scope comes last.
SELECT e.person, e.shelf, e.id, e.case_id FROM json_each(?) AS wanted
JOIN erased_key AS e ON e.person = wanted.value ORDER BY e.generation;

-- name: erased_people
SELECT e.person, e.case_id FROM json_each(?) AS wanted JOIN erased_person AS e ON e.person = wanted.value;

-- name: add_erased_key
INSERT OR IGNORE INTO erased_key (id, person, shelf, case_id, generation) VALUES (?, ?, ?, ?, ?);

-- name: add_erased_person
INSERT OR IGNORE INTO erased_person (person, case_id, generation) VALUES (?, ?, ?);

-- name: add_destruction
INSERT INTO destruction (case_id, epoch, at) VALUES (?, ?, ?)
ON CONFLICT (case_id) DO UPDATE SET epoch = excluded.epoch;

-- name: pending
-- Cases whose destruction is not irreversible yet, and when their use stopped.
SELECT d.case_id, d.at FROM epoch AS e JOIN destruction AS d ON d.epoch = e.number
WHERE e.closed IS NULL ORDER BY d.at, d.case_id;

-- name: cases_of_epochs
SELECT d.case_id FROM json_each(?) AS wanted JOIN destruction AS d ON d.epoch = wanted.value ORDER BY d.case_id;

-- name: finality
SELECT d.case_id, d.epoch, d.at, e.closed, e.mirrored, e.root FROM json_each(?) AS wanted
JOIN destruction AS d ON d.case_id = wanted.value JOIN epoch AS e ON e.number = d.epoch;

-- name: people_per_organisation
SELECT s.organisation, SUM(b.live) FROM bucket AS b JOIN shelf AS s ON s.number = b.shelf
WHERE s.dataset = '' GROUP BY s.organisation;
