-- Records that no later version replaces, that no later delete or reset of the repository supersedes, and whose account is
-- active. "Later" is by rev. `newer` holds the versions that replace earlier ones, and what else replaces some.
SELECT * FROM rows AS r
WHERE NOT EXISTS (SELECT 1 FROM newer AS u WHERE u.did = r.did AND u.rkey = r.rkey AND u.rev > r.rev)
  AND NOT EXISTS (SELECT 1 FROM deletes AS d WHERE d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev)
  AND NOT EXISTS (SELECT 1 FROM resets AS s WHERE s.did = r.did AND s.rev > r.rev)
  AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.did = r.did)
