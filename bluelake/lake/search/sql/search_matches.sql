-- Posts of some hours that match by themselves; what supersedes them is looked up only for these.
SELECT did, rkey, rev, operation, event_at, created_at, text, langs, hashtags FROM matching
