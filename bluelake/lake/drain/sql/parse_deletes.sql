-- Deletes of records of every collection; and resets of a whole repository (com.atproto.sync.subscribeRepos#sync), which the
-- ingester writes as the delete of rkey `*` in collection `*`. Neither is a name that a record can have.
SELECT ordinal,
       j.did AS did, j.commit.collection AS collection, j.commit.rkey AS rkey, tid_to_int(j.commit.rev) AS rev,
       make_timestamptz(j.time_us) AS event_at,
       CASE WHEN j.kind = 'sync' THEN coalesce(header_reason(j), CASE
              WHEN j.commit.rev IS NULL THEN 'missing_field'
              WHEN NOT valid_rev(j.commit.rev) THEN 'invalid_rev'
              WHEN j.commit.collection IS DISTINCT FROM '*' OR j.commit.rkey IS DISTINCT FROM '*' THEN 'invalid_record' END)
            ELSE coalesce(commit_reason(j), CASE WHEN j.commit.collection = '*' THEN 'unknown_collection' END)
       END AS reject_reason
FROM (SELECT ordinal, json_transform(line, '{
  "did": "VARCHAR", "time_us": "BIGINT", "kind": "VARCHAR",
  "commit": {"rev": "VARCHAR", "collection": "VARCHAR", "rkey": "VARCHAR"}
}') AS j FROM lines)
