-- An hour cut into pieces of about `bytes` bytes: the number of each, and the greatest key in it.
WITH numbered AS (
  SELECT key, (sum(size) OVER (ORDER BY key ROWS UNBOUNDED PRECEDING)) // $bytes AS piece FROM rows
)
SELECT row_number() OVER (ORDER BY piece) AS number, max(key) AS last FROM numbered GROUP BY piece
