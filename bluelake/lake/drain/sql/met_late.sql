-- The same for rows that come long after they were made, among the stored ones that came near the time at which they were made.
SELECT b.ordinal, s.version, s.event_at
FROM batch AS b
JOIN stored AS s ON s.key IS NOT DISTINCT FROM b.key
WHERE epoch_us(b.event_at) > b.made_us + $margin_us
  AND epoch_us(s.event_at) BETWEEN b.made_us - $margin_us AND b.made_us + $margin_us
