-- The hours in which those rows of a batch were made that come later than that by more than the margin: first and last time,
-- microseconds since 1970. `made_us` is the time that the event tells of itself.
SELECT min(made_us), max(made_us)
FROM batch
WHERE epoch_us(event_at) > made_us + $margin_us
GROUP BY made_us // 3600000000
