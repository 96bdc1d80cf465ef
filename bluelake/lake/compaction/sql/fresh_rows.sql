-- Of the rows `found` those that are not listed yet, each once. A row that is listed with its account is listed again when it is
-- deleted by itself: the account may come back.
SELECT "table", hour, did, rkey, rev, min(since) AS since, bool_and(with_account) AS with_account
FROM found AS f
WHERE NOT EXISTS (
  SELECT 1 FROM pending AS x
  WHERE x."table" = f."table" AND x.hour = f.hour AND x.did = f.did AND x.rkey = f.rkey AND x.rev = f.rev
    AND x.with_account <= f.with_account)
GROUP BY ALL
ORDER BY "table", hour
