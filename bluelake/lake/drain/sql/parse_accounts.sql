-- Identity and account events: com.atproto.sync.subscribeRepos#identity, #account. `created_at` is the relay's time.
SELECT ordinal,
       j.did AS did,
       make_timestamptz(j.time_us) AS event_at,
       claimed_time(coalesce(j.identity.time, j.account.time)) AS created_at,
       j.kind AS kind,
       j.identity.handle AS handle,
       j.account.active AS active,
       j.account.status AS status,
       coalesce(j.identity.seq, j.account.seq) AS seq,
       make_timestamptz(j.time_us) AS ordered_at,
       coalesce(header_reason(j), CASE WHEN j.kind = 'account' AND j.account.active IS NULL THEN 'invalid_record'
            WHEN j.kind = 'identity' AND j.identity IS NULL THEN 'invalid_record' END) AS reject_reason
FROM (SELECT ordinal, json_transform(line, '{
  "did": "VARCHAR", "time_us": "BIGINT", "kind": "VARCHAR",
  "identity": {"handle": "VARCHAR", "seq": "BIGINT", "time": "VARCHAR"},
  "account": {"active": "BOOLEAN", "status": "VARCHAR", "seq": "BIGINT", "time": "VARCHAR"}
}') AS j FROM lines)
