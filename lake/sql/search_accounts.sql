-- The newest status and the newest handle of each account: those known before, and those of the files that are new.
SELECT did, kind, arg_max(handle, event_at) AS handle, arg_max(active, event_at) AS active, max(event_at) AS event_at
FROM (SELECT * FROM {known} UNION ALL SELECT did, kind, handle, active, event_at FROM {added})
WHERE kind = 'account' OR handle IS NOT NULL
GROUP BY did, kind
