-- Whether every row of a batch has a key of its own. By hashes, so that it is cheap: two keys with one hash only cost a look.
SELECT count(*) = count(DISTINCT hash(key)) FROM batch
