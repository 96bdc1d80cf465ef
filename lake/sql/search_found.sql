-- What one span of time contributes to a search's result.
CREATE OR REPLACE TEMP TABLE found AS
SELECT did, rkey, event_at, created_at, text, langs, hashtags FROM {current} AS r
UNION ALL
SELECT * FROM edits AS r WHERE true {start} {end}
