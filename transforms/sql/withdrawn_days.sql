-- Days whose views still show a post that was deleted since, or whose author's repository was reset, or who is no longer active.
SELECT DISTINCT v.day
FROM views.most_liked_posts_daily AS v
WHERE EXISTS (
    SELECT 1 FROM {deletes} AS d
    WHERE d.did = v.author_did
      AND (d.collection = 'app.bsky.feed.post' AND d.rkey = split_part(v.uri, '/', 5)
        OR d.collection = '*' AND d.rkey = '*'))
  OR EXISTS (
    SELECT 1 FROM {accounts} AS a
    WHERE a.kind = 'account' AND NOT a.active AND a.did = v.author_did)
ORDER BY ALL
