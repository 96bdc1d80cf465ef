-- The rows of a batch that are new: none twice, none that the lake already has, in the order in which they are stored.
-- `hours` names the partition of each hour of the batch: to format a time for every row would take as long as to parse it.
SELECT {columns}, {partition}
FROM (SELECT * FROM {parsed} WHERE reject_reason IS NULL {once}) AS b
JOIN {hours} AS h ON h.number = epoch_us(b.event_at) // {hour_us}
WHERE NOT EXISTS (SELECT 1 FROM {stored} AS s WHERE {same} AND s.event_at BETWEEN {earliest} AND {latest})
ORDER BY event_at, {tiebreak}
