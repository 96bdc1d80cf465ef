-- Hours that hold rows to purge: how many, and since when the first of them should be gone.
SELECT "table", hour, count(*) AS rows, epoch_us(min(since)) AS oldest_us
FROM {pending}
GROUP BY ALL
ORDER BY "table", hour
