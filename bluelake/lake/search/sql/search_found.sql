-- What some hours contribute to a search's result.
SELECT did, rkey, event_at, created_at, text, langs, hashtags FROM {current} AS r
UNION ALL
SELECT * FROM edits WHERE {within}
