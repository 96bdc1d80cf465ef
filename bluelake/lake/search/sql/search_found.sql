-- What some hours contribute to a search's result.
SELECT did, rkey, event_at, created_at, text, langs, hashtags FROM current_matches
UNION ALL
SELECT * FROM edits_of_hours
