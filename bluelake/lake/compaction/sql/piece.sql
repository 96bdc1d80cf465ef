-- The rows of one piece of an hour. The first piece has no beginning and the last has no end: every row is in exactly one.
SELECT * EXCLUDE (key) FROM rows
WHERE (key <= (SELECT last FROM pieces WHERE number = $number - 1)) IS NOT TRUE
  AND ($number = (SELECT max(number) FROM pieces) OR (key <= (SELECT last FROM pieces WHERE number = $number)) IS TRUE)
