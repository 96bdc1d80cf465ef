-- The newest status and the newest handle of each account: those known before, and those of the files that are new. What is
-- newest is decided by the relay's time and number, which `newest` keeps.
SELECT did, kind, arg_max(handle, newest) AS handle, arg_max(active, newest) AS active, max(newest) AS newest
FROM (
    SELECT did, kind, handle, active, newest FROM {known}
    UNION ALL
    SELECT did, kind, handle, active, (coalesce(created_at, event_at), coalesce(seq, -1)) FROM {added})
WHERE kind = 'account' OR handle IS NOT NULL
GROUP BY did, kind
