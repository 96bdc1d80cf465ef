MODEL (
  name views.most_liked_posts_daily,
  kind INCREMENTAL_BY_TIME_RANGE (
    time_column (day, '%Y-%m-%d'),
    batch_size 1,
    lookback @lookback_days
  ),
  cron '@daily',
  grain (day, uri),
  description 'The 1,000 posts of each day that were liked most on it, whenever they were written. Posts that were deleted, and those of accounts that are not active, are left out.',
  columns (
    day DATE,
    rank INT,
    uri TEXT,
    likes BIGINT,
    author_did TEXT,
    posted_at TIMESTAMPTZ,
    text TEXT,
    langs TEXT[]
  ),
  column_descriptions (
    day = 'The day of the likes, UTC.',
    rank = 'Place on that day, from 1: by likes, then the author and key of the post.',
    uri = 'AT URI of the post.',
    likes = 'Accounts that liked it on that day and did not take it back. An account counts once, however many likes it wrote; a hidden like does not count.',
    author_did = 'DID of the account that wrote it.',
    posted_at = 'When the network saw the post; NULL where the lake does not have it, or it is more than 7 days older than the day.',
    text = 'Its text; NULL as posted_at.',
    langs = 'The languages that it declares; NULL as posted_at.'
  ),
  audits (
    not_null(columns := (day, rank, uri, likes, author_did)),
    unique_combination_of_columns(columns := (day, uri)),
    unique_combination_of_columns(columns := (day, rank)),
    forall(criteria := (
      rank BETWEEN 1 AND 1000,
      likes >= 1,
      uri = 'at://' || author_did || '/app.bsky.feed.post/' || split_part(uri, '/', 5),
      posted_at IS NOT NULL OR text IS NULL
    ))
  )
);

WITH likes AS (
  SELECT
    CAST(event_at AT TIME ZONE 'UTC' AS DATE) AS day,
    subject_did AS did,
    subject_rkey AS rkey,
    count(DISTINCT did) AS likes
  FROM @lake(likes)
  WHERE subject_collection = 'app.bsky.feed.post' AND subject_did IS NOT NULL AND subject_rkey IS NOT NULL
    -- Their accounts asked that these be not counted. NULL: a row of before the column.
    AND hide_like IS NOT TRUE
  GROUP BY ALL
), hidden AS (
  SELECT did FROM @lake(accounts, whole := TRUE) WHERE kind = 'account' AND NOT active
), candidates AS (
  -- Twice as many as are kept, so that a thousand are left without those that were deleted.
  SELECT day, did, rkey, likes
  FROM likes
  WHERE NOT EXISTS (SELECT 1 FROM hidden WHERE hidden.did = likes.did)
  QUALIFY row_number() OVER (PARTITION BY day ORDER BY likes DESC, did, rkey) <= 2000
), deleted AS (
  SELECT did, rkey
  FROM @lake(deletes, days_before := 7, until_now := TRUE)
  WHERE collection = 'app.bsky.feed.post' OR (collection = '*' AND rkey = '*')
), posts AS (
  SELECT did, rkey, event_at, text, langs FROM @lake(posts, days_before := 7)
), found AS (
  SELECT candidates.*, posts.event_at AS posted_at, posts.text AS text, posts.langs AS langs
  FROM candidates
  LEFT JOIN posts ON posts.did = candidates.did AND posts.rkey = candidates.rkey
  -- A deleted post that is there all the same was written anew under its key. A reset of the repository, key `*`, goes for
  -- every post of it that is not there.
  WHERE posts.did IS NOT NULL
    OR NOT EXISTS (
      SELECT 1 FROM deleted
      WHERE deleted.did = candidates.did AND (deleted.rkey = candidates.rkey OR deleted.rkey = '*')
    )
)
SELECT
  day,
  CAST(row_number() OVER (PARTITION BY day ORDER BY likes DESC, did, rkey) AS INT) AS rank,
  'at://' || did || '/app.bsky.feed.post/' || rkey AS uri,
  likes,
  did AS author_did,
  posted_at,
  text,
  langs
FROM found
QUALIFY rank <= 1000
