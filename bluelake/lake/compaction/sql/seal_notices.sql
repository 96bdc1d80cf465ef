-- The rows of an hour of a table without authors (gaps, rejects, batches) in the order of a sealed file.
SELECT * FROM rows ORDER BY event_at
