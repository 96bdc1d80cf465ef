-- Pieces of an hour, numbered, each of about {bytes} bytes: the greatest key in it. A table of the database and no temporary
-- one, since another connection reads it.
CREATE OR REPLACE TABLE seal_pieces AS
WITH sized AS (
  SELECT {key} AS key, {size} AS size FROM {rows} AS r
), numbered AS (
  SELECT key, (sum(size) OVER (ORDER BY key ROWS UNBOUNDED PRECEDING)) // {bytes} AS piece FROM sized
)
SELECT row_number() OVER (ORDER BY piece) AS number, max(key) AS last FROM numbered GROUP BY piece
