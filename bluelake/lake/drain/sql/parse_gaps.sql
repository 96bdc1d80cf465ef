-- The ingester's own notices of spans that a host did not serve.
SELECT ordinal,
       make_timestamptz(j.from_us) AS event_at, make_timestamptz(j.from_us) AS from_at,
       make_timestamptz(j.to_us) AS to_at, j.host AS host, j.cause AS cause,
       NULL::TIMESTAMPTZ AS repaired_at,
       CASE WHEN j.from_us IS NULL OR j.to_us IS NULL THEN 'missing_field' END AS reject_reason
FROM (SELECT ordinal, json_transform(line, '{
  "from_us": "BIGINT", "to_us": "BIGINT", "host": "VARCHAR", "cause": "VARCHAR"
}') AS j FROM lines)
