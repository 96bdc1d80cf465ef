-- The newest identity event and the newest account event of each account, by the relay's time and number: hosts' clocks differ.
SELECT * FROM rows
QUALIFY row_number() OVER (
  PARTITION BY did, kind ORDER BY coalesce(created_at, event_at) DESC, seq DESC NULLS LAST, event_at DESC) = 1
