-- Days with a row of `rows` that the lake's news withdraw or bring back. `updates`: edits of the same table. `subject`: the
-- account whose post a like is for, NULL in other tables.
SELECT DISTINCT CAST(r.event_at AT TIME ZONE 'UTC' AS DATE) AS day
FROM rows AS r
WHERE EXISTS (
    SELECT 1 FROM deletes AS d
    WHERE d.collection = $collection AND d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev)
  OR EXISTS (
    SELECT 1 FROM deletes AS d WHERE d.collection = '*' AND d.rkey = '*' AND d.did = r.did AND d.rev > r.rev)
  OR EXISTS (
    SELECT 1 FROM replacements AS p
    WHERE p.collection = $collection AND p.did = r.did AND p.rkey = r.rkey AND p.rev > r.rev)
  OR EXISTS (
    SELECT 1 FROM updates AS u
    WHERE u.operation = 'update' AND u.did = r.did AND u.rkey = r.rkey AND u.rev > r.rev)
  OR EXISTS (SELECT 1 FROM accounts AS a WHERE a.kind = 'account' AND a.did = r.did)
  OR EXISTS (SELECT 1 FROM accounts AS a WHERE a.kind = 'account' AND a.did = r.subject)
