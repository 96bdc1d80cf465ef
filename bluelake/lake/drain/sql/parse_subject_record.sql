-- Likes and reposts: app.bsky.feed.like, app.bsky.feed.repost.
SELECT ordinal,
       j.did AS did, j.commit.rkey AS rkey, tid_to_int(j.commit.rev) AS rev,
       make_timestamptz(j.time_us) AS event_at, claimed_time(j.commit.record."createdAt") AS created_at,
       stored_operation(j) AS operation, may_replace(j) AS may_replace,
       nullif(subject[3], '') AS subject_did,
       nullif(subject[5], '') AS subject_rkey,
       nullif(subject[4], '') AS subject_collection,
       nullif(via[3], '') AS via_did,
       nullif(via[5], '') AS via_rkey,
       coalesce(j.commit.record."hideLike", false) AS hide_like,
       coalesce(commit_reason(j), CASE WHEN nullif(subject[3], '') IS NULL THEN 'invalid_record' END) AS reject_reason
FROM (SELECT ordinal, j, at_parts(j.commit.record.subject.uri) AS subject, at_parts(j.commit.record.via.uri) AS via
FROM (SELECT ordinal, json_transform(line, '{
  "did": "VARCHAR", "time_us": "BIGINT",
  "commit": {"rev": "VARCHAR", "operation": "VARCHAR", "collection": "VARCHAR", "rkey": "VARCHAR",
    "record": {"createdAt": "VARCHAR", "subject": {"uri": "VARCHAR"}, "via": {"uri": "VARCHAR"}, "hideLike": "BOOLEAN"}}
}') AS j FROM lines))
