-- Deleted accounts of which there is an event that no maintenance has looked at.
SELECT did, max(a.event_at) AS since, any_value(d.last_at) AS last_at
FROM accounts AS a
JOIN deleted_accounts AS d USING (did)
WHERE kind = 'account'
GROUP BY did
