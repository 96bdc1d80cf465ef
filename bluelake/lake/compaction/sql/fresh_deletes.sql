-- Deletes that no maintenance has looked at; of several of one record, the last. A reset of a repository removes nothing.
SELECT did, collection, rkey, max(rev) AS rev, min(event_at) AS since
FROM deletes
WHERE collection <> '*'
GROUP BY ALL
