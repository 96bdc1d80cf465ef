-- Deleted accounts of which there is an event that no maintenance has looked at.
CREATE OR REPLACE TABLE fresh_gone AS
SELECT did, max(a.event_at) AS since, any_value(g.last_at) AS last_at
FROM {accounts} AS a
JOIN {gone} AS g USING (did)
WHERE kind = 'account'
GROUP BY did
