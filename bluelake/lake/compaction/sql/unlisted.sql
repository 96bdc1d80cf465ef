-- The rows of an hour that a maintenance keeps: those that are not in the table `listed_rows`.
SELECT r.* FROM rows AS r
WHERE NOT EXISTS (SELECT 1 FROM listed_rows AS x WHERE x.did = r.did AND x.rkey = r.rkey AND x.rev = r.rev)
