-- Profiles: app.bsky.actor.profile.
SELECT ordinal,
       j.did AS did, j.commit.rkey AS rkey, tid_to_int(j.commit.rev) AS rev,
       make_timestamptz(j.time_us) AS event_at, claimed_time(j.commit.record."createdAt") AS created_at,
       j.commit.operation AS operation,
       j.commit.cid AS cid,
       json_string(j.commit.record."displayName") AS display_name,
       json_string(j.commit.record.description) AS description,
       at_part(j.commit.record."pinnedPost".uri, 5) AS pinned_post_rkey,
       present(list_transform(coalesce(j.commit.record.labels.values, []), lambda label: label.val)) AS self_labels,
       coalesce(commit_reason(j), CASE WHEN j.commit.record IS NULL THEN 'invalid_record' END) AS reject_reason
FROM (SELECT ordinal, json_transform(line, '{
  "did": "VARCHAR", "time_us": "BIGINT",
  "commit": {"rev": "VARCHAR", "operation": "VARCHAR", "collection": "VARCHAR", "rkey": "VARCHAR", "cid": "VARCHAR",
    "record": {"createdAt": "VARCHAR", "displayName": "JSON", "description": "JSON",
               "pinnedPost": {"uri": "VARCHAR"}, "labels": {"values": [{"val": "VARCHAR"}]}}}
}') AS j FROM lines)
