-- Days with a row that was deleted since, or replaced, or whose repository was reset, or whose account (or, of a like, that of
-- the post) went or came back.
SELECT DISTINCT CAST(r.event_at AT TIME ZONE 'UTC' AS DATE) AS day
FROM rows AS r
WHERE EXISTS (
    SELECT 1 FROM deletes AS d
    WHERE d.collection = $collection AND d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev)
  OR EXISTS (
    SELECT 1 FROM deletes AS d WHERE d.collection = '*' AND d.rkey = '*' AND d.did = r.did AND d.rev > r.rev)
  OR EXISTS (
    SELECT 1 FROM updates AS u
    WHERE u.operation = 'update' AND u.did = r.did AND u.rkey = r.rkey AND u.rev > r.rev)
  OR EXISTS (SELECT 1 FROM accounts AS a WHERE a.kind = 'account' AND a.did = r.did)
  OR EXISTS (SELECT 1 FROM accounts AS a WHERE a.kind = 'account' AND a.did = r.subject)
