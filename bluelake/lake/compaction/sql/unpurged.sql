-- The rows of a table of records that a seal keeps: no later delete removes them, and they were not deleted with their account.
-- A reset (#sync) supersedes what came before it and removes nothing: it does not tell which records were deleted.
SELECT r.* FROM rows AS r
WHERE NOT EXISTS (SELECT 1 FROM deletes AS d WHERE d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev)
  AND NOT EXISTS (SELECT 1 FROM deleted_accounts AS a WHERE a.did = r.did AND r.event_at <= a.last_at)
