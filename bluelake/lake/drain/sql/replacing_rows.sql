-- What the rows of a batch replace: from `rev` on, versions of the record with a lower rev are not current. A row that may
-- replace a version far from it is taken without a look; of two versions that met, the higher one is.
SELECT did, rkey, rev, max(event_at) AS event_at
FROM (
  SELECT did, rkey, rev, event_at FROM batch WHERE may_replace AND operation <> 'update'
  UNION ALL
  SELECT did, rkey, greatest(b.version, m.version), greatest(b.event_at, m.event_at)
  FROM batch AS b JOIN met AS m ON m.ordinal = b.ordinal
  WHERE m.version <> b.version
  UNION ALL
  SELECT did, rkey, rev, r.last_at
  FROM batch AS b JOIN repeated AS r ON r.ordinal = b.ordinal
  WHERE b.version > r.least_version)
GROUP BY ALL
ORDER BY event_at, did, rkey, rev
