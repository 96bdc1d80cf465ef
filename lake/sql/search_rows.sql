-- A slice of what one span of time contributes, newest first.
SELECT did, rkey, epoch_us(event_at) AS event_us, epoch_us(created_at) AS created_us, text, langs, hashtags
FROM found
ORDER BY event_at DESC, did, rkey
LIMIT {limit} OFFSET {offset}
