-- The newest identity event and the newest account event of each account.
(SELECT * FROM (
    SELECT * FROM {rows}
    QUALIFY row_number() OVER (PARTITION BY did, kind ORDER BY event_at DESC, seq DESC) = 1
 ) AS r WHERE true {start} {end})
