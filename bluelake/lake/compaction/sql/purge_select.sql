-- The rows to purge of one hour, without those whose account has come back.
CREATE OR REPLACE TABLE pending AS
SELECT did, rkey, rev FROM {pending} AS x
WHERE "table" = {table} AND hour = {hour}
  AND (NOT with_account OR did IN (SELECT did FROM {gone} AS g))
