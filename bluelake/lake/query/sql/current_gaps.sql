-- The newest state of each gap: a repair appends the same span, host and cause with the time at which it was repaired.
SELECT * FROM rows
QUALIFY row_number() OVER (PARTITION BY from_at, to_at, host, cause ORDER BY repaired_at DESC NULLS LAST) = 1
