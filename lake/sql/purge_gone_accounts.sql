-- Accounts whose newest status, by the relay's time, is `deleted`. Deactivated, suspended and taken down may come back.
(SELECT did FROM {accounts} WHERE kind = 'account'
 GROUP BY did
 HAVING arg_max(NOT active AND status = 'deleted', (coalesce(created_at, event_at), coalesce(seq, -1))))
