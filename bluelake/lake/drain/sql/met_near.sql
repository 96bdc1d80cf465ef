-- The stored versions of what the rows of a batch are versions of, among those that came near the batch's times.
SELECT b.ordinal, s.version, s.event_at
FROM batch AS b
JOIN stored AS s ON s.key IS NOT DISTINCT FROM b.key
