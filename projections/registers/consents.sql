-- Consents: what each person agreed to, refused or took back, purpose by purpose.

-- name: create
-- One row per fact, in the order of the log; what counts is the last word by time.
CREATE TABLE IF NOT EXISTS consent (
    position INTEGER PRIMARY KEY,
    organisation TEXT NOT NULL,
    person TEXT NOT NULL,
    client TEXT NOT NULL,
    activity TEXT NOT NULL,
    purpose TEXT NOT NULL,
    recipient TEXT NOT NULL,
    said TEXT NOT NULL,
    time INTEGER NOT NULL,
    source TEXT NOT NULL,
    channel TEXT NOT NULL,
    notice TEXT NOT NULL,
    notice_version TEXT NOT NULL,
    method INTEGER NOT NULL,
    evidence INTEGER NOT NULL,
    until INTEGER
);

-- name: add
INSERT INTO consent VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list
-- The last word per person, client, purpose and recipient, with the time of the last yes.
WITH counting AS (
    SELECT * FROM consent
    WHERE (:organisation IS NULL OR organisation = :organisation)
      AND position NOT IN (SELECT target FROM retraction WHERE target IS NOT NULL)
), ranked AS (
    SELECT *,
        row_number() OVER (PARTITION BY organisation, person, client, purpose, recipient ORDER BY time DESC, source DESC, position DESC) AS rank,
        max(CASE WHEN said = 'given' THEN time END) OVER (PARTITION BY organisation, person, client, purpose, recipient) AS given,
        count(*) OVER (PARTITION BY organisation, person, client, purpose, recipient) AS words
    FROM counting
)
SELECT organisation, person, client, activity, purpose, recipient,
    CASE WHEN said = 'given' AND until IS NOT NULL AND until <= :now THEN 'expired' ELSE said END AS state,
    time AS since, given, until, channel, notice, notice_version, method, evidence, words
FROM ranked WHERE rank = 1
ORDER BY organisation, purpose, recipient, client, person;
