-- Records that no later update replaces and no later delete removes, of accounts that are active. "Later" is by rev.
(SELECT * FROM {rows} AS r
 WHERE NOT EXISTS (
         SELECT 1 FROM {updates} AS u
         WHERE u.operation = 'update' AND u.did = r.did AND u.rkey = r.rkey AND u.rev > r.rev)
   AND NOT EXISTS (
         SELECT 1 FROM {deletes} AS d
         WHERE d.collection = {collection} AND d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev)
   AND NOT EXISTS (SELECT 1 FROM {hidden} AS h WHERE h.did = r.did)
   {start} {end})
