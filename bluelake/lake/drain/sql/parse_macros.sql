-- Syntax of identifiers: https://atproto.com/specs/did, /record-key, /tid, /at-uri-scheme.
CREATE OR REPLACE TEMP MACRO valid_did(s) AS
    length(s) <= 2048 AND regexp_full_match(s, 'did:[a-z]+:[a-zA-Z0-9._:%-]*[a-zA-Z0-9._-]');
CREATE OR REPLACE TEMP MACRO valid_rkey(s) AS
    regexp_full_match(s, '[a-zA-Z0-9_~.:-]{1,512}') AND s NOT IN ('.', '..');
-- A TID is 13 digits of base32-sortable that make 64 bits, of which the first is 0: the first digit holds three bits.
CREATE OR REPLACE TEMP MACRO valid_rev(s) AS regexp_full_match(s, '[2-7ab][2-7a-z]{12}');
CREATE OR REPLACE TEMP MACRO tid_digit(s, i, factor) AS
    (strpos('234567abcdefghijklmnopqrstuvwxyz', s[i]) - 1)::BIGINT * factor;
-- Of a text that is no TID it is some number: never an error, since it is computed before the text is checked.
CREATE OR REPLACE TEMP MACRO tid_to_int(s) AS
    (strpos('234567ab', s[1]) - 1)::BIGINT * 1152921504606846976 + tid_digit(s, 2, 36028797018963968)
    + tid_digit(s, 3, 1125899906842624)
    + tid_digit(s, 4, 35184372088832) + tid_digit(s, 5, 1099511627776) + tid_digit(s, 6, 34359738368)
    + tid_digit(s, 7, 1073741824) + tid_digit(s, 8, 33554432) + tid_digit(s, 9, 1048576)
    + tid_digit(s, 10, 32768) + tid_digit(s, 11, 1024) + tid_digit(s, 12, 32) + tid_digit(s, 13, 1);
-- What a client claims as a time: NULL where it is no date of the years 1 to 9999.
CREATE OR REPLACE TEMP MACRO within_calendar(t) AS
    CASE WHEN t BETWEEN TIMESTAMPTZ '0001-01-01 00:00:00+00' AND TIMESTAMPTZ '9999-12-31 23:59:59.999999+00' THEN t END;
CREATE OR REPLACE TEMP MACRO claimed_time(s) AS
    within_calendar(try_cast(CASE WHEN s >= '0' AND s < ':' THEN s END AS TIMESTAMPTZ));
CREATE OR REPLACE TEMP MACRO at_part(uri, i) AS
    CASE WHEN starts_with(uri, 'at://') THEN nullif(split_part(uri, '/', i), '') END;
-- The same for several parts of one URI: it is split once, which is what costs.
CREATE OR REPLACE TEMP MACRO at_parts(uri) AS CASE WHEN starts_with(uri, 'at://') THEN string_split(uri, '/') END;
CREATE OR REPLACE TEMP MACRO json_string(j) AS CASE WHEN starts_with(j::VARCHAR, '"') THEN j ->> '$' END;
-- The elements of a list without repetitions, in the order in which they first appear.
CREATE OR REPLACE TEMP MACRO list_distinct_in_order(l) AS list_filter(l, lambda x, i: list_position(l, x) = i);
CREATE OR REPLACE TEMP MACRO present(l) AS list_filter(coalesce(l, []), lambda x: x IS NOT NULL AND x <> '');
CREATE OR REPLACE TEMP MACRO header_reason(j) AS CASE
    WHEN j.did IS NULL OR j.time_us IS NULL THEN 'missing_field'
    WHEN NOT valid_did(j.did) THEN 'invalid_did' END;
CREATE OR REPLACE TEMP MACRO commit_reason(j) AS coalesce(header_reason(j), CASE
    WHEN j.commit.rev IS NULL OR j.commit.rkey IS NULL OR j.commit.collection IS NULL THEN 'missing_field'
    WHEN NOT valid_rev(j.commit.rev) THEN 'invalid_rev'
    WHEN NOT valid_rkey(j.commit.rkey) THEN 'invalid_rkey' END);
-- Whether a row may replace another version of its record, by the row alone. An rkey and a rev that are made at one time begin
-- with the same 6 digits, which name a slot of 33 seconds. Two versions that both do are near in time, and the drain compares them.
CREATE OR REPLACE TEMP MACRO may_replace(j) AS left(j.commit.rkey, 6) <> left(j.commit.rev, 6);
-- When the record of an rkey was made, microseconds since 1970: NULL where the rkey is no TID, or tells no time from 2022 (before
-- which there was no network) up to `latest_us`.
CREATE OR REPLACE TEMP MACRO rkey_us(rkey, latest_us) AS
    CASE WHEN valid_rev(rkey) AND (tid_to_int(rkey) >> 10) BETWEEN 1640995200000000 AND latest_us THEN tid_to_int(rkey) >> 10 END;
CREATE OR REPLACE TEMP MACRO is_late(j) AS j.time_us > (tid_to_int(j.commit.rev) >> 10) + 86400000000;
-- A create is a resync if its rev is more than 15 minutes later than its rkey, or if it comes more than a day later than both.
-- The first CASE keeps nearly all rows from the arithmetic.
CREATE OR REPLACE TEMP MACRO stored_operation(j) AS
    CASE WHEN j.commit.operation = 'create' AND (may_replace(j) OR is_late(j))
         THEN CASE WHEN tid_to_int(j.commit.rev) >> 10
                     > rkey_us(j.commit.rkey, j.time_us) + CASE WHEN is_late(j) THEN -900000000 ELSE 900000000 END
                   THEN 'resync' ELSE 'create' END
         ELSE j.commit.operation END;
