-- Hours that hold rows to purge: how many rows, and since when the first of them is deleted, microseconds since 1970.
SELECT "table", hour, count(*) AS rows, epoch_us(min(since)) AS oldest_us
FROM pending
GROUP BY ALL
ORDER BY "table", hour
