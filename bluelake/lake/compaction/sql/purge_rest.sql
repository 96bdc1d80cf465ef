-- What remains to be purged once some hours are done.
SELECT * FROM {pending} AS x
WHERE NOT EXISTS (SELECT 1 FROM (VALUES {done}) AS h("table", hour) WHERE h."table" = x."table" AND h.hour = x.hour)
