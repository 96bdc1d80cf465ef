-- The rows of an hour as its seal writes them: none twice, none that is purged, sorted.
SELECT {columns}{user_did}
FROM (SELECT * FROM {rows} {once}) AS r
WHERE true {kept}
ORDER BY {order}
