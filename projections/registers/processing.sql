-- The register of processing reads the tables of three others; what differs only in detail is summed up.

-- name: collections
SELECT organisation, activity, client, categories, class AS classes, system AS systems,
    sum(events) AS events, min(first) AS first, max(last) AS last
FROM collection WHERE :organisation IS NULL OR organisation = :organisation
GROUP BY organisation, activity, client, categories, class, system;

-- name: uses
SELECT organisation, activity, client, purpose AS purposes, system AS systems, sum(events) AS events, min(first) AS first, max(last) AS last
FROM use WHERE :organisation IS NULL OR organisation = :organisation
GROUP BY organisation, activity, client, purpose, system;

-- name: disclosures
SELECT organisation, activity, client, purpose AS purposes, recipient AS recipients, country AS countries,
    sum(events) AS events, min(first) AS first, max(last) AS last
FROM disclosure WHERE :organisation IS NULL OR organisation = :organisation
GROUP BY organisation, activity, client, purpose, recipient, country;
