-- Accounts of which nothing was known.
INSERT INTO accounts_latest
SELECT did, kind, handle, active, newest FROM accounts_added AS b
WHERE NOT EXISTS (SELECT 1 FROM accounts_latest AS a WHERE a.did = b.did AND a.kind = b.kind)
