-- The rows of a batch that are new: none twice, none that the lake already has, in the order in which they are stored.
SELECT {columns}, {partition}
FROM (SELECT * FROM {parsed} WHERE reject_reason IS NULL {once}) AS b
WHERE NOT EXISTS (SELECT 1 FROM {stored} AS s WHERE {same} AND s.event_at BETWEEN {earliest} AND {latest})
ORDER BY event_at, {tiebreak}
