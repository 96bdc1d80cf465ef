-- Deletes of records of every collection.
SELECT ordinal,
       j.did AS did, j.commit.collection AS collection, j.commit.rkey AS rkey, tid_to_int(j.commit.rev) AS rev,
       make_timestamptz(j.time_us) AS event_at,
       commit_reason(j) AS reject_reason
FROM (SELECT ordinal, json_transform(line, '{{
  "did": "VARCHAR", "time_us": "BIGINT",
  "commit": {{"rev": "VARCHAR", "collection": "VARCHAR", "rkey": "VARCHAR"}}
}}') AS j FROM {lines})
