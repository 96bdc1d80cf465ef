-- Newest handles of some accounts; `handle.invalid` stands for a handle that did not verify.
SELECT did, handle FROM accounts_latest
WHERE kind = 'identity' AND handle <> 'handle.invalid' AND did IN (SELECT unnest($dids))
