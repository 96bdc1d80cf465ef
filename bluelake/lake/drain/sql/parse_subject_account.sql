-- Follows and blocks: app.bsky.graph.follow, app.bsky.graph.block.
SELECT ordinal,
       j.did AS did, j.commit.rkey AS rkey, tid_to_int(j.commit.rev) AS rev,
       make_timestamptz(j.time_us) AS event_at, claimed_time(j.commit.record."createdAt") AS created_at,
       stored_operation(j) AS operation, may_replace(j) AS may_replace,
       j.commit.record.subject AS subject_did,
       coalesce(commit_reason(j), CASE WHEN j.commit.record.subject IS NULL OR NOT valid_did(j.commit.record.subject) THEN 'invalid_record'
       END) AS reject_reason
FROM (SELECT ordinal, json_transform(line, '{
  "did": "VARCHAR", "time_us": "BIGINT",
  "commit": {"rev": "VARCHAR", "operation": "VARCHAR", "collection": "VARCHAR", "rkey": "VARCHAR",
    "record": {"createdAt": "VARCHAR", "subject": "VARCHAR"}}
}') AS j FROM lines)
