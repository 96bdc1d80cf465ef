-- The rows of a batch that the lake does not have yet, with the partition of each, in the order in which they are stored.
-- `stored` holds the rows of the files near the batch's times. `hours` names the partition of each hour of the batch: to format
-- a time for every row would take as long as to parse it.
SELECT b.* EXCLUDE (ordinal, reject_reason, key), h.* EXCLUDE (number)
FROM batch AS b
JOIN hours AS h ON h.number = epoch_us(b.event_at) // 3600000000
WHERE NOT EXISTS (
  SELECT 1 FROM stored AS s
  WHERE s.key IS NOT DISTINCT FROM b.key
    AND s.event_at BETWEEN make_timestamptz($earliest_us::BIGINT) AND make_timestamptz($latest_us::BIGINT))
ORDER BY b.event_at, b.ordinal
