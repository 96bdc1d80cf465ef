-- New rows of a table of records that may be stored.
--
-- Where `purges`, a row is left out that a later delete covers, or that was deleted with its account. It may have been in the lake
-- before, and have been purged.
--
-- A row is always left out if something of a later rev replaces, deletes or resets it whose time is more than the margin before
-- its own. A recording of a host that was far behind has such rows. No view shows them, and a reader of a span of time looks no
-- further back than the margin.
SELECT r.* FROM rows AS r
WHERE NOT EXISTS (
    SELECT 1 FROM deletes AS d
    WHERE d.did = r.did AND d.rkey = r.rkey AND d.rev > r.rev
      AND ($purges OR epoch_us(d.event_at) < epoch_us(r.event_at) - $margin_us))
  AND NOT EXISTS (
    SELECT 1 FROM resets AS s
    WHERE s.did = r.did AND s.rev > r.rev AND epoch_us(s.event_at) < epoch_us(r.event_at) - $margin_us)
  AND NOT EXISTS (
    SELECT 1 FROM newer AS u
    WHERE u.did = r.did AND u.rkey = r.rkey AND u.rev > r.rev
      AND epoch_us(u.event_at) < epoch_us(r.event_at) - $margin_us)
  AND NOT EXISTS (SELECT 1 FROM deleted_accounts AS a WHERE $purges AND a.did = r.did AND r.event_at <= a.last_at)
