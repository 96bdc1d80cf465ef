-- Posts that match by the text of their last update, at the time at which they were first seen.
SELECT did, rkey, event_at, created_at, text, langs, hashtags FROM matching
