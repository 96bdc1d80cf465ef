-- The hours that the rows of a batch have: first and last time, microseconds since 1970, and how many rows.
SELECT min(epoch_us(event_at)), max(epoch_us(event_at)), count(*)
FROM batch
GROUP BY epoch_us(event_at) // 3600000000
