-- Authors with more than so many posts in an hour, who get a file of their own.
SELECT did FROM {rows}
WHERE length(did) <= {longest}
GROUP BY did HAVING count(*) > {posts}
ORDER BY did
