-- Accounts whose newest status, by the relay's time and number, says that they are not active: deactivated, suspended,
-- taken down or deleted.
SELECT did FROM accounts WHERE kind = 'account'
GROUP BY did HAVING NOT arg_max(active, (coalesce(created_at, event_at), coalesce(seq, -1)))
