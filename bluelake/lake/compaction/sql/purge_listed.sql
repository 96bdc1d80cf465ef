-- What stays of the rows `r` of an hour whose rows to purge are listed in the table `pending`.
AND NOT EXISTS (SELECT 1 FROM pending AS x WHERE x.did = r.did AND x.rkey = r.rkey AND x.rev = r.rev)
