-- Of the keys that a batch has more than once, each row: whether the batch has the same version before it, the least version,
-- and the last time.
WITH keys AS (
  SELECT key FROM batch GROUP BY key HAVING count(*) > 1
)
SELECT b.ordinal,
       row_number() OVER (PARTITION BY b.key, b.version ORDER BY b.ordinal) > 1 AS is_duplicate,
       min(b.version) OVER (PARTITION BY b.key) AS least_version,
       max(b.event_at) OVER (PARTITION BY b.key) AS last_at
FROM batch AS b
JOIN keys AS k ON k.key IS NOT DISTINCT FROM b.key
