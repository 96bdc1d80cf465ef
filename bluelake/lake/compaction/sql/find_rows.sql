-- Rows of sealed hours of one table that fresh deletes, and fresh deletions of accounts, remove.
SELECT $table AS "table", year || '-' || month || '-' || day || 'T' || hour AS hour, r.did, r.rkey, r.rev, d.since,
       false AS with_account
FROM rows AS r
JOIN fresh_deletes AS d ON d.did = r.did AND d.rkey = r.rkey AND d.collection = $collection AND d.rev > r.rev
UNION ALL
SELECT $table, year || '-' || month || '-' || day || 'T' || hour, r.did, r.rkey, r.rev, a.since, true
FROM rows AS r
JOIN fresh_deleted_accounts AS a ON a.did = r.did AND r.event_at <= a.last_at
