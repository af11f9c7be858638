-- Notices: which information people were given, in which version, how often (GDPR Art. 13, 14).

-- name: create
CREATE TABLE IF NOT EXISTS notice (
    organisation TEXT NOT NULL,
    client TEXT NOT NULL,
    notice TEXT NOT NULL,
    version TEXT NOT NULL,
    language TEXT NOT NULL,
    how TEXT NOT NULL,
    events INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (organisation, client, notice, version, language, how)
) WITHOUT ROWID;

-- name: add
INSERT INTO notice VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (organisation, client, notice, version, language, how)
DO UPDATE SET events = notice.events + excluded.events, first = min(notice.first, excluded.first), last = max(notice.last, excluded.last);

-- name: list
SELECT * FROM notice
WHERE :organisation IS NULL OR organisation = :organisation
ORDER BY organisation, client, notice, version, language, how;
