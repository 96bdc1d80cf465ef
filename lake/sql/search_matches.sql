-- Posts of one span of time that match by themselves; what supersedes them is looked at only for these.
CREATE OR REPLACE TEMP TABLE matches AS
SELECT did, rkey, rev, operation, event_at, created_at, text, langs, hashtags
FROM {rows} AS r
WHERE operation <> 'update' AND {predicate}
