-- The trail of each person: where in the log every fact about them stands.

-- name: create
-- One row per tile: the entries of a fixed stretch of positions, sorted by person. An entry is 16 bytes:
-- the first 8 of the pseudonym and the position (big endian). Level 0 covers 4,096 positions, level 1
-- sixteen of those, level 2 sixteen again; a full stretch replaces its parts. Which tiles there are depends
-- only on how far the log was read, never on how it was cut into pages.
CREATE TABLE IF NOT EXISTS trail (
    tile INTEGER PRIMARY KEY,
    level INTEGER NOT NULL,
    number INTEGER NOT NULL,
    entries BLOB NOT NULL,
    UNIQUE (level, number)
);

-- name: tile
SELECT entries FROM trail WHERE level = :level AND number = :number;

-- name: put
INSERT INTO trail (tile, level, number, entries) VALUES (:tile, :level, :number, :entries)
ON CONFLICT (tile) DO UPDATE SET entries = excluded.entries;

-- name: parts
-- The sixteen tiles that a full one of the next level replaces.
SELECT entries FROM trail WHERE level = :level AND number >= :first AND number < :first + 16 ORDER BY number;

-- name: drop_parts
DELETE FROM trail WHERE level = :level AND number >= :first AND number < :first + 16;

-- name: tiles
SELECT tile, length(entries) FROM trail ORDER BY tile;

-- name: stretch
-- The tiles that may hold positions of a stretch.
SELECT entries FROM trail
WHERE number * (4096 << CAST(4 * level AS INTEGER)) < :last AND (number + 1) * (4096 << CAST(4 * level AS INTEGER)) > :after
ORDER BY tile;

-- name: all
SELECT entries FROM trail ORDER BY tile;
