-- The account whose newest handle is the one asked for; of several, the one that took it last.
SELECT did FROM accounts_latest
WHERE kind = 'identity' AND lower(handle) = $handle
ORDER BY newest DESC, did
LIMIT 1
