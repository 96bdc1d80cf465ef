-- The rows that are still to be purged once the hours `done` are rewritten.
SELECT * FROM pending AS x
WHERE NOT EXISTS (SELECT 1 FROM done AS h WHERE h."table" = x."table" AND h.hour = x.hour)
ORDER BY "table", hour
