-- Accounts whose newest status says that they are not active: deactivated, suspended, taken down or deleted.
(SELECT did FROM {accounts} WHERE kind = 'account' GROUP BY did HAVING NOT arg_max(active, event_at))
