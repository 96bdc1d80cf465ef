-- The rows of an hour of posts in the order of a sealed file, one file for each `user_did`.
SELECT * FROM rows ORDER BY user_did, did, rkey, rev, event_at
