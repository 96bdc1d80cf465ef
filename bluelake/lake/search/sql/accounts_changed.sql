-- Accounts that are known, as they are by newer events.
UPDATE accounts_latest AS a SET handle = b.handle, active = b.active, newest = b.newest
FROM accounts_added AS b
WHERE a.did = b.did AND a.kind = b.kind AND a.newest < b.newest
