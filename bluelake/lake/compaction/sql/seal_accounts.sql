-- The rows of an hour of accounts in the order of a sealed file.
SELECT * FROM rows ORDER BY did, event_at
