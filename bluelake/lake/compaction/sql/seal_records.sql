-- The rows of an hour of records, or of deletes of records, in the order of a sealed file.
SELECT * FROM rows ORDER BY did, rkey, rev, event_at
