-- As current_records, but an updated post keeps the time at which it was first seen, and shows its last text. It was first
-- seen after its last delete, or after the last reset of its repository.
--
-- Posts are hardly ever updated, so the second part is small. The first part stands apart from it, so that a filter on
-- event_at still reaches the files. A CTE that DuckDB materialises makes every scan read all columns, hence NOT.
--
-- The delete or reset after which an updated post was made anew may lie far before the span that is asked for. Of
-- `early_deletes` and `early_resets` only what concerns the few updated posts is looked at.
WITH last_deletes AS NOT MATERIALIZED (
  SELECT did, rkey, max(rev) AS rev FROM deletes GROUP BY did, rkey
), last_resets AS NOT MATERIALIZED (
  SELECT did, max(rev) AS rev FROM resets GROUP BY did
), newest_updates AS NOT MATERIALIZED (
  SELECT * FROM updates
  QUALIFY row_number() OVER (PARTITION BY did, rkey ORDER BY rev DESC) = 1
), deleted_early AS NOT MATERIALIZED (
  SELECT n.did, n.rkey, max(d.rev) AS rev
  FROM early_deletes AS d JOIN newest_updates AS n ON n.did = d.did AND n.rkey = d.rkey AND n.rev > d.rev
  GROUP BY n.did, n.rkey
), reset_early AS NOT MATERIALIZED (
  SELECT n.did, n.rkey, max(s.rev) AS rev
  FROM early_resets AS s JOIN newest_updates AS n ON n.did = s.did AND n.rev > s.rev
  GROUP BY n.did, n.rkey
), first_seen AS NOT MATERIALIZED (
  SELECT v.did, v.rkey, min(v.event_at) AS first_at
  FROM versions AS v
  JOIN newest_updates AS n ON n.did = v.did AND n.rkey = v.rkey
  LEFT JOIN last_deletes AS d ON d.did = v.did AND d.rkey = v.rkey AND d.rev < n.rev
  LEFT JOIN last_resets AS s ON s.did = v.did AND s.rev < n.rev
  LEFT JOIN deleted_early AS e ON e.did = v.did AND e.rkey = v.rkey
  LEFT JOIN reset_early AS t ON t.did = v.did AND t.rkey = v.rkey
  WHERE v.rev > greatest(d.rev, e.rev, -1) AND v.rev >= greatest(s.rev, t.rev, -1)
  GROUP BY v.did, v.rkey
), edited AS NOT MATERIALIZED (
  SELECT n.* REPLACE (
      f.first_at AS event_at,
      strftime(f.first_at, '%Y') AS year, strftime(f.first_at, '%m') AS month,
      strftime(f.first_at, '%d') AS day, strftime(f.first_at, '%H') AS hour)
  FROM newest_updates AS n JOIN first_seen AS f ON f.did = n.did AND f.rkey = n.rkey
)
SELECT * FROM rows AS r
WHERE operation <> 'update'
  AND NOT EXISTS (SELECT 1 FROM newer AS u WHERE u.did = r.did AND u.rkey = r.rkey AND u.rev > r.rev)
  AND NOT EXISTS (SELECT 1 FROM last_deletes AS d WHERE d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev)
  AND NOT EXISTS (SELECT 1 FROM last_resets AS s WHERE s.did = r.did AND s.rev > r.rev)
  AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.did = r.did)
UNION ALL BY NAME
SELECT * FROM edited AS r
WHERE NOT EXISTS (SELECT 1 FROM newer AS u WHERE u.did = r.did AND u.rkey = r.rkey AND u.rev > r.rev)
  AND NOT EXISTS (SELECT 1 FROM last_deletes AS d WHERE d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev)
  AND NOT EXISTS (SELECT 1 FROM last_resets AS s WHERE s.did = r.did AND s.rev > r.rev)
  AND NOT EXISTS (SELECT 1 FROM hidden AS h WHERE h.did = r.did)
