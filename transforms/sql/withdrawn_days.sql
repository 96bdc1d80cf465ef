-- Days of views that show a withdrawn post: a deleted one, one of a reset repository or of an account that is not
-- active, or an older version of one that was replaced. `deletes`, `replacements`, `posts`: the lake's news; `accounts`: all of them.
SELECT DISTINCT 'most_liked_posts_daily' AS view, v.day
FROM views.most_liked_posts_daily AS v
WHERE EXISTS (
    SELECT 1 FROM deletes AS d
    WHERE d.did = v.author_did
      AND (d.collection = 'app.bsky.feed.post' AND d.rkey = split_part(v.uri, '/', 5)
        OR d.collection = '*' AND d.rkey = '*'))
  OR v.posted_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM posts AS u
    WHERE u.operation = 'update' AND u.did = v.author_did AND u.rkey = split_part(v.uri, '/', 5)
      AND (u.text IS DISTINCT FROM v.text OR u.langs IS DISTINCT FROM v.langs))
  OR v.posted_at IS NOT NULL AND EXISTS (
    SELECT 1 FROM replacements AS p
    WHERE p.collection = 'app.bsky.feed.post' AND p.did = v.author_did AND p.rkey = split_part(v.uri, '/', 5)
      AND p.event_at > v.posted_at)
  OR EXISTS (
    SELECT 1 FROM accounts AS a
    WHERE a.kind = 'account' AND NOT a.active AND a.did = v.author_did)
ORDER BY ALL
