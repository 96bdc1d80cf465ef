-- The newest status and the newest handle of each account of one share of all DIDs. What is newest is decided by the relay's
-- time and number, which `newest` keeps.
SELECT did, kind, arg_max(handle, newest) AS handle, arg_max(active, newest) AS active, max(newest) AS newest
FROM (
    SELECT did, kind, handle, active, {'moment': coalesce(created_at, event_at), 'seq': coalesce(seq, -1)} AS newest
    FROM events
    WHERE (kind = 'account' OR handle IS NOT NULL) AND hash(did) % $shares = $share)
GROUP BY did, kind
