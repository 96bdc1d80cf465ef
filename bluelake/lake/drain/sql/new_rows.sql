-- The rows of a batch that the lake does not have yet, with the partition of each, in the order in which they are stored.
-- `hours` names the partition of each hour of the batch: to format a time for every row would take as long as to parse it.
SELECT b.* EXCLUDE (reject_reason, key, version, made_us), h.* EXCLUDE (number)
FROM batch AS b
JOIN hours AS h ON h.number = epoch_us(b.event_at) // 3600000000
WHERE b.ordinal >= $rows_from
  AND NOT EXISTS (SELECT 1 FROM met AS m WHERE m.ordinal = b.ordinal AND m.version = b.version)
  AND NOT EXISTS (SELECT 1 FROM repeated AS r WHERE r.ordinal = b.ordinal AND r.is_duplicate)
ORDER BY b.event_at, b.ordinal
