-- One of the rows with equal keys.
SELECT * EXCLUDE (key) FROM rows
QUALIFY row_number() OVER (PARTITION BY key ORDER BY event_at) = 1
