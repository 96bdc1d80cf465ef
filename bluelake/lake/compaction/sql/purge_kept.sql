-- What stays of the rows `r` of a table of records: those that no later delete removes, and that did not go
-- with their account.
-- A #sync (collection *) hides what came before it and removes nothing: it does not tell which records were deleted.
AND NOT EXISTS (
  SELECT 1 FROM {deletes} AS d
  WHERE d.collection = {collection} AND d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev)
AND NOT EXISTS (SELECT 1 FROM {gone} AS g WHERE g.did = r.did AND r.event_at <= g.last_at)
