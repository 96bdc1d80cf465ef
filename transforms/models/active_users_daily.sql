MODEL (
  name views.active_users_daily,
  kind INCREMENTAL_BY_TIME_RANGE (
    time_column (day, '%Y-%m-%d'),
    batch_size 1,
    lookback @lookback_days
  ),
  cron '@daily',
  grain day,
  description 'Distinct accounts that were active on each day, by what they did.',
  columns (
    day DATE,
    active BIGINT,
    posters BIGINT,
    likers BIGINT,
    reposters BIGINT,
    followers BIGINT
  ),
  column_descriptions (
    day = 'The day, UTC.',
    active = 'Accounts that posted, liked, reposted or followed at least once.',
    posters = 'Accounts that posted.',
    likers = 'Accounts that liked something. Hidden likes do not count.',
    reposters = 'Accounts that reposted something.',
    followers = 'Accounts that followed somebody.'
  ),
  audits (
    not_null(columns := (day, active, posters, likers, reposters, followers)),
    unique_values(columns := (day)),
    forall(criteria := (
      active >= 1,
      active <= posters + likers + reposters + followers,
      posters BETWEEN 0 AND active,
      likers BETWEEN 0 AND active,
      reposters BETWEEN 0 AND active,
      followers BETWEEN 0 AND active
    ))
  )
);

WITH activity AS (
  SELECT event_at, did, 1 AS posts, 0 AS likes, 0 AS reposts, 0 AS follows FROM @lake(posts)
  UNION ALL
  SELECT event_at, did, 0, 1, 0, 0 FROM @lake(likes) WHERE hide_like IS NOT TRUE
  UNION ALL
  SELECT event_at, did, 0, 0, 1, 0 FROM @lake(reposts)
  UNION ALL
  SELECT event_at, did, 0, 0, 0, 1 FROM @lake(follows)
), accounts AS (
  SELECT
    CAST(event_at AT TIME ZONE 'UTC' AS DATE) AS day,
    did,
    max(posts) AS posted,
    max(likes) AS liked,
    max(reposts) AS reposted,
    max(follows) AS followed
  FROM activity
  GROUP BY ALL
)
SELECT
  day,
  count(*) AS active,
  CAST(sum(posted) AS BIGINT) AS posters,
  CAST(sum(liked) AS BIGINT) AS likers,
  CAST(sum(reposted) AS BIGINT) AS reposters,
  CAST(sum(followed) AS BIGINT) AS followers
FROM accounts
GROUP BY ALL
