-- The key database. It holds wrapped keys only: a bucket key is wrapped under the root, a data key under its
-- bucket key, and no statement ever carries an unwrapped one.

-- name: create
-- Which ledger these keys belong to, under which root and in which layout.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
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
-- how many still live, and the epoch of the root that it is wrapped under.
CREATE TABLE bucket (
    number INTEGER PRIMARY KEY,
    shelf INTEGER NOT NULL REFERENCES shelf,
    month TEXT NOT NULL,
    taken INTEGER NOT NULL,
    live INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    wrapped BLOB NOT NULL
);
CREATE INDEX bucket_with_room ON bucket (shelf, month, taken);
-- Data keys. `id` is the commitment to the key, as hex.
CREATE TABLE key (
    person TEXT NOT NULL,
    shelf INTEGER NOT NULL REFERENCES shelf,
    id TEXT NOT NULL,
    bucket INTEGER NOT NULL REFERENCES bucket,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (person, shelf)
) WITHOUT ROWID;
CREATE UNIQUE INDEX key_by_id ON key (id);
-- The way from an identifier to a person: a keyed hash, and the pseudonym sealed under a bucket key.
CREATE TABLE identifier (
    hash TEXT PRIMARY KEY,
    bucket INTEGER NOT NULL REFERENCES bucket,
    person BLOB NOT NULL
) WITHOUT ROWID;
-- The way back, so that a person can go without being named: the hash, sealed under the same bucket key.
CREATE TABLE person (
    person TEXT PRIMARY KEY,
    bucket INTEGER NOT NULL REFERENCES bucket,
    hash BLOB NOT NULL
) WITHOUT ROWID;
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
-- Identifiers that were erased: their hash, hashed once more under the fence key of a period ('' is for ever).
CREATE TABLE fence (
    hash TEXT PRIMARY KEY,
    period TEXT NOT NULL,
    generation INTEGER NOT NULL
) WITHOUT ROWID;

-- name: tables
SELECT name FROM sqlite_schema WHERE type = 'table';

-- name: meta
SELECT name, value FROM meta;

-- name: add_meta
INSERT INTO meta (name, value) VALUES (?, ?);

-- name: changed_by_others
-- Moves when another connection commits.
PRAGMA data_version;

-- name: secret
SELECT wrapped FROM secret WHERE name = ?;

-- name: add_secret
INSERT INTO secret (name, wrapped) VALUES (?, ?);

-- name: shelves
SELECT number, organisation, client, dataset FROM shelf;

-- name: add_shelf
INSERT INTO shelf (organisation, client, dataset) VALUES (?, ?, ?) RETURNING number;

-- name: buckets
SELECT number, wrapped FROM bucket WHERE number IN (SELECT value FROM json_each(?));

-- name: bucket_with_room
SELECT number, taken FROM bucket WHERE shelf = ? AND month = ? AND taken < ? ORDER BY number LIMIT 1;

-- name: next_bucket
SELECT COALESCE(MAX(number), 0) + 1 FROM bucket;

-- name: add_bucket
INSERT INTO bucket (number, shelf, month, taken, live, epoch, wrapped) VALUES (?, ?, ?, 0, 0, ?, ?);

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
INSERT INTO identifier (hash, bucket, person) VALUES (?, ?, ?);

-- name: add_person
INSERT INTO person (person, bucket, hash) VALUES (?, ?, ?);

-- name: drop_identifier
DELETE FROM identifier WHERE hash = ?;

-- name: drop_person
DELETE FROM person WHERE person = ?;

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
INSERT INTO key (person, shelf, id, bucket, wrapped) VALUES (?, ?, ?, ?, ?);

-- name: drop_key
DELETE FROM key WHERE id = ?;

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

-- name: people_per_organisation
SELECT s.organisation, SUM(b.live) FROM bucket AS b JOIN shelf AS s ON s.number = b.shelf
WHERE s.dataset = '' GROUP BY s.organisation;
