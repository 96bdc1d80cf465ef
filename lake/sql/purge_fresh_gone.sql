-- Deleted accounts of which there is an event that no maintenance has looked at.
CREATE OR REPLACE TABLE fresh_gone AS
SELECT did, max(event_at) AS since
FROM {accounts} AS a
WHERE kind = 'account' AND did IN (SELECT did FROM {gone} AS g)
GROUP BY did
