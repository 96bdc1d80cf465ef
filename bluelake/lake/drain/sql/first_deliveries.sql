-- One row of each event of a batch: the one that was delivered first.
SELECT * FROM batch
QUALIFY row_number() OVER (PARTITION BY key ORDER BY ordinal) = 1
