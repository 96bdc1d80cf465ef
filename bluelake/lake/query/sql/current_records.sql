-- Records that no later version replaces and no later delete or reset of the repository removes, of accounts that are active.
-- "Later" is by rev. A create counts as a later version only of a profile: `superseding` says which versions do.
(SELECT * FROM {rows} AS r
 WHERE NOT EXISTS (
         SELECT 1 FROM {updates} AS u
         WHERE {superseding} AND u.did = r.did AND u.rkey = r.rkey AND u.rev > r.rev)
   AND NOT EXISTS (
         SELECT 1 FROM {deletes} AS d
         WHERE d.collection = {collection} AND d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev)
   AND NOT EXISTS (
         SELECT 1 FROM {resets} AS s WHERE s.collection = '*' AND s.rkey = '*' AND s.did = r.did AND s.rev > r.rev)
   AND NOT EXISTS (SELECT 1 FROM {hidden} AS h WHERE h.did = r.did)
   {start} {end})
