-- Likes and reposts: app.bsky.feed.like, app.bsky.feed.repost.
SELECT ordinal,
       j.did AS did, j.commit.rkey AS rkey, tid_to_int(j.commit.rev) AS rev,
       make_timestamptz(j.time_us) AS event_at, claimed_time(j.commit.record."createdAt") AS created_at,
       j.commit.operation AS operation,
       at_part(j.commit.record.subject.uri, 3) AS subject_did,
       at_part(j.commit.record.subject.uri, 5) AS subject_rkey,
       at_part(j.commit.record.subject.uri, 4) AS subject_collection,
       at_part(j.commit.record.via.uri, 3) AS via_did,
       at_part(j.commit.record.via.uri, 5) AS via_rkey,
       CASE WHEN commit_reason(j) IS NOT NULL THEN commit_reason(j)
            WHEN at_part(j.commit.record.subject.uri, 3) IS NULL THEN 'invalid_record' END AS reject_reason
FROM (SELECT ordinal, json_transform(line, '{{
  "did": "VARCHAR", "time_us": "BIGINT",
  "commit": {{"rev": "VARCHAR", "operation": "VARCHAR", "collection": "VARCHAR", "rkey": "VARCHAR",
    "record": {{"createdAt": "VARCHAR", "subject": {{"uri": "VARCHAR"}}, "via": {{"uri": "VARCHAR"}}}}}}
}}') AS j FROM {lines})
