-- Notifications: what a case asked of systems, recipients and told the person, and what they answered.

-- name: create
CREATE TABLE IF NOT EXISTS task (
    task TEXT PRIMARY KEY,
    erasure_case TEXT NOT NULL,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    activity TEXT NOT NULL,
    client TEXT NOT NULL,
    datasets TEXT NOT NULL,
    due INTEGER,
    position INTEGER NOT NULL,
    prepared INTEGER NOT NULL,
    sent INTEGER,
    escalated INTEGER,
    answered INTEGER,
    touched INTEGER,
    outcome TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS task_of_person ON task (person);
CREATE INDEX IF NOT EXISTS task_of_case ON task (erasure_case);

-- Whose case it is, until it is prepared.
CREATE TABLE IF NOT EXISTS task_case (
    erasure_case TEXT PRIMARY KEY,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL
) WITHOUT ROWID;

-- name: ordered
INSERT INTO task_case VALUES (?, ?, ?)
ON CONFLICT (erasure_case) DO UPDATE SET organisation = excluded.organisation, person = excluded.person;

-- name: drop
-- A case may be prepared once more when the guard holds something back at the last moment.
DELETE FROM task WHERE erasure_case = ?;

-- name: add
INSERT INTO task
SELECT ?, c.erasure_case, c.organisation, c.person, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, NULL, NULL
FROM task_case AS c WHERE c.erasure_case = ?
ON CONFLICT (task) DO UPDATE SET erasure_case = excluded.erasure_case, organisation = excluded.organisation, person = excluded.person, kind = excluded.kind, target = excluded.target, activity = excluded.activity, client = excluded.client, datasets = excluded.datasets, due = excluded.due, position = excluded.position, prepared = excluded.prepared, sent = excluded.sent, escalated = excluded.escalated, answered = excluded.answered, touched = excluded.touched, outcome = excluded.outcome;

-- name: sent
UPDATE task SET sent = ? WHERE task = ? AND sent IS NULL;

-- name: escalated
UPDATE task SET escalated = ? WHERE task = ? AND escalated IS NULL;

-- name: any
SELECT 1 FROM task LIMIT 1;

-- name: ordered_deletion
-- A system names the task, or the case, that it answers.
UPDATE task SET answered = :at, outcome = 'done'
WHERE answered IS NULL AND kind = 'order' AND position < :position
  AND (task = :order OR (erasure_case = :order AND (:system = '' OR target = :system) AND activity = :activity));

-- name: deletion
-- A system reports everything of the activity as deleted, without naming what it answers.
UPDATE task SET answered = CASE WHEN :all = 1 THEN :at ELSE answered END, touched = :at,
    outcome = CASE WHEN :all = 1 THEN 'done' ELSE outcome END
WHERE person = :person AND answered IS NULL AND kind = 'order' AND position < :position
  AND activity = :activity AND (:system = '' OR target = :system) AND (:client = '' OR client = '' OR client = :client);

-- name: acknowledged
UPDATE task SET answered = :at, outcome = :outcome
WHERE answered IS NULL AND position < :position
  AND (task = :notification OR (erasure_case = :notification AND kind = 'notice' AND target = :recipient));

-- name: list
SELECT organisation, person, erasure_case AS "case", task, kind, target, activity, client, datasets, prepared, sent, due, escalated, answered,
    touched, outcome
FROM task WHERE (:organisation IS NULL OR organisation = :organisation) ORDER BY prepared, erasure_case, length(task), task;

-- name: of_case
SELECT organisation, person, erasure_case AS "case", task, kind, target, activity, client, datasets, prepared, sent, due, escalated, answered,
    touched, outcome
FROM task WHERE erasure_case = :case ORDER BY length(task), task;
