-- New rows of a table of records that may be stored: not those that a later delete covers, nor those that were deleted with
-- their account. They may have been in the lake before, and have been taken out for good.
SELECT r.* FROM {rows} AS r
WHERE NOT EXISTS (
    SELECT 1 FROM {deletes} AS d
    WHERE d.collection = {collection} AND d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev)
  AND NOT EXISTS (SELECT 1 FROM {gone} AS g WHERE g.did = r.did AND r.event_at <= g.last_at)
