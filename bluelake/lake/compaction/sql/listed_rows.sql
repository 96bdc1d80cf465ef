-- The rows to purge of one hour, without those whose account has come back.
SELECT did, rkey, rev FROM pending
WHERE "table" = $table AND hour = $hour
  AND (NOT with_account OR did IN (SELECT did FROM deleted_accounts))
