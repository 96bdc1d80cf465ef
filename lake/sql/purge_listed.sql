-- What stays of the rows `r` of an hour whose rows to purge are listed in the table `doomed`.
AND NOT EXISTS (SELECT 1 FROM doomed AS x WHERE x.did = r.did AND x.rkey = r.rkey AND x.rev = r.rev)
