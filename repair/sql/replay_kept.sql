-- New rows of a table of records that may be stored. Where `purges`, not those that a later delete covers, nor those
-- that were deleted with their account: they may have been in the lake before, and have been taken out for good. Nor, ever, what
-- is replaced, deleted or reset by something of a later rev whose time is more than the margin before its own, as a recording of
-- a host that was far behind has it: no view shows it, and who reads a span of time looks no further back than the margin.
SELECT r.* FROM {rows} AS r
WHERE NOT EXISTS (
    SELECT 1 FROM {deletes} AS d
    WHERE d.collection = {collection} AND d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev
      AND ({purges} OR epoch_us(d.event_at) < epoch_us(r.event_at) - {margin_us}))
  AND NOT EXISTS (
    SELECT 1 FROM {deletes} AS s
    WHERE s.collection = '*' AND s.rkey = '*' AND s.did = r.did AND s.rev > r.rev
      AND epoch_us(s.event_at) < epoch_us(r.event_at) - {margin_us})
  AND NOT EXISTS (
    SELECT 1 FROM (SELECT * FROM {updates} UNION ALL SELECT * FROM {rows}) AS u
    WHERE {superseding} AND u.did = r.did AND u.rkey = r.rkey AND u.rev > r.rev
      AND epoch_us(u.event_at) < epoch_us(r.event_at) - {margin_us})
  AND NOT EXISTS (SELECT 1 FROM {gone} AS g WHERE {purges} AND g.did = r.did AND r.event_at <= g.last_at)
