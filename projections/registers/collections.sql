-- Collections by category: how often each category was obtained, in which activity, from whom, on which basis.

-- name: create
CREATE TABLE IF NOT EXISTS collection (
    organisation TEXT NOT NULL,
    activity TEXT NOT NULL,
    client TEXT NOT NULL,
    categories TEXT NOT NULL,
    class TEXT NOT NULL,
    origin TEXT NOT NULL,
    basis TEXT NOT NULL,
    system TEXT NOT NULL,
    events INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (organisation, activity, client, categories, class, origin, basis, system)
) WITHOUT ROWID;

-- name: add
INSERT INTO collection VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (organisation, activity, client, categories, class, origin, basis, system)
DO UPDATE SET events = collection.events + excluded.events, first = min(collection.first, excluded.first), last = max(collection.last, excluded.last);

-- name: list
-- By category: a collection of three categories counts for each of them.
SELECT organisation, activity, client, value AS category, class, origin, basis, system,
    sum(events) AS events, min(first) AS first, max(last) AS last
FROM collection, json_each(categories)
WHERE :organisation IS NULL OR organisation = :organisation
GROUP BY organisation, activity, client, value, class, origin, basis, system
ORDER BY organisation, activity, client, category, class, origin, basis, system;
