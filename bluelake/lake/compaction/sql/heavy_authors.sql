-- Authors with more than `posts` posts in an hour, who get a file of their own. Their DID names a folder, so it must not be long.
SELECT did FROM rows
WHERE length(did) <= $longest
GROUP BY did HAVING count(*) > $posts
ORDER BY did
