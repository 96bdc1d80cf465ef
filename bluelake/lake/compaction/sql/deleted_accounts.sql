-- Accounts whose newest status, by the relay's time, is `deleted`, and the last `event_at` that a record which was deleted with
-- its account can have. A later record was written by an account that has come back, whether or not the event that says so is
-- here yet. Deactivated, suspended and taken down accounts may come back: their records are not purged.
SELECT did, max(coalesce(created_at, event_at)) + to_microseconds($margin_us::BIGINT) AS last_at
FROM accounts WHERE kind = 'account'
GROUP BY did
HAVING arg_max(NOT active AND coalesce(status, '') = 'deleted', (coalesce(created_at, event_at), coalesce(seq, -1)))
