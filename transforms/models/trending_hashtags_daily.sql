MODEL (
  name views.trending_hashtags_daily,
  kind INCREMENTAL_BY_TIME_RANGE (
    time_column (day, '%Y-%m-%d'),
    batch_size 1,
    lookback @lookback_days
  ),
  cron '@daily',
  grain (day, hashtag),
  description 'The 1,000 hashtags of each day that were in most posts.',
  columns (
    day DATE,
    rank INT,
    hashtag TEXT,
    as_written TEXT,
    posts BIGINT,
    authors BIGINT,
    posts_day_before BIGINT,
    growth DOUBLE
  ),
  column_descriptions (
    day = 'The day, UTC.',
    rank = 'Place on that day, from 1: by posts, then authors, then the hashtag itself.',
    hashtag = 'The key of the hashtag, by which all spellings that read alike are one. Without #, in lower case.',
    as_written = 'The hashtag as most posts of that day wrote it.',
    posts = 'Posts with it; a post counts once however often it has it.',
    authors = 'Distinct accounts that wrote them.',
    posts_day_before = 'Posts with it on the day before; NULL where the lake has no hashtag of that day.',
    growth = 'posts / posts_day_before - 1: 0.5 is half more, -0.5 half of it. NULL where the day before had none. Of a day that is not over it compares a part with a whole.'
  ),
  audits (
    not_null(columns := (day, rank, hashtag, as_written, posts, authors)),
    unique_combination_of_columns(columns := (day, hashtag)),
    unique_combination_of_columns(columns := (day, rank)),
    forall(criteria := (
      rank BETWEEN 1 AND 1000,
      hashtag <> '',
      posts >= 1,
      authors BETWEEN 1 AND posts,
      posts_day_before >= 0,
      growth >= -1
    ))
  )
);

WITH written AS (
  SELECT
    CAST(event_at AT TIME ZONE 'UTC' AS DATE) AS day,
    did,
    rkey,
    unnest(hashtags) AS as_written,
    -- NULL in files of an earlier version, which have no keys.
    unnest(hashtag_keys) AS key
  FROM @lake(posts, days_before := 1)
  WHERE len(hashtags) > 0
), uses AS (
  -- One row a post and hashtag.
  SELECT day, did, rkey, coalesce(key, lower(as_written)) AS hashtag, min(as_written) AS as_written
  FROM written
  WHERE as_written <> ''
  GROUP BY ALL
), totals AS (
  SELECT day, hashtag, count(*) AS posts, count(DISTINCT did) AS authors FROM uses GROUP BY ALL
), ranked AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY day ORDER BY posts DESC, authors DESC, hashtag) AS rank
  FROM totals
  WHERE day BETWEEN @start_ds AND @end_ds
  QUALIFY rank <= 1000
), spellings AS (
  SELECT day, hashtag, as_written, count(*) AS posts FROM uses GROUP BY ALL
), usual AS (
  SELECT day, hashtag, as_written
  FROM spellings
  QUALIFY row_number() OVER (PARTITION BY day, hashtag ORDER BY posts DESC, as_written) = 1
), known_days AS (
  SELECT DISTINCT day FROM totals
)
SELECT
  ranked.day AS day,
  CAST(ranked.rank AS INT) AS rank,
  ranked.hashtag AS hashtag,
  usual.as_written AS as_written,
  ranked.posts AS posts,
  ranked.authors AS authors,
  CASE WHEN known_days.day IS NOT NULL THEN coalesce(before.posts, 0) END AS posts_day_before,
  ranked.posts / before.posts - 1 AS growth
FROM ranked
JOIN usual ON usual.day = ranked.day AND usual.hashtag = ranked.hashtag
LEFT JOIN totals AS before ON before.day = ranked.day - INTERVAL 1 DAY AND before.hashtag = ranked.hashtag
LEFT JOIN known_days ON known_days.day = ranked.day - INTERVAL 1 DAY
