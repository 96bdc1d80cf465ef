-- A slice of what one span of time contributes, newest first, with the handles that are known of its authors;
-- `handle.invalid` stands for a handle that did not verify.
SELECT f.did, f.rkey, epoch_us(f.event_at) AS event_us, epoch_us(f.created_at) AS created_us,
       coalesce(a.handle, f.did) AS username, f.text, f.langs, f.hashtags
FROM (SELECT * FROM found ORDER BY event_at DESC, did, rkey LIMIT $limit OFFSET $offset) AS f
LEFT JOIN accounts_latest AS a ON a.did = f.did AND a.kind = 'identity' AND a.handle <> 'handle.invalid'
ORDER BY f.event_at DESC, f.did, f.rkey
