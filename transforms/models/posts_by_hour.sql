MODEL (
  name views.posts_by_hour,
  kind INCREMENTAL_BY_TIME_RANGE (
    time_column (hour, '%Y-%m-%d %H:%M:%S'),
    batch_size 1,
    lookback @lookback_days
  ),
  cron '@daily',
  grain (hour, lang),
  description 'Posts of each hour, by the language that their authors declare. The rows of an hour add up to all of its posts.',
  columns (
    hour TIMESTAMPTZ,
    lang TEXT,
    posts BIGINT,
    replies BIGINT,
    quotes BIGINT,
    with_media BIGINT,
    with_links BIGINT,
    authors BIGINT
  ),
  column_descriptions (
    hour = 'Start of the hour, UTC, in which the network saw the posts.',
    lang = 'The first language that the post declares, as a two- or three-letter code without region (en, ja, pt); und where it declares none.',
    posts = 'Posts, replies and quotes included.',
    replies = 'Those of them that reply to a post.',
    quotes = 'Those of them that quote a post.',
    with_media = 'Those of them with at least one image or video.',
    with_links = 'Those of them with at least one link.',
    authors = 'Distinct accounts that wrote them. Not to be added up over hours or languages: an account can be in many.'
  ),
  audits (
    not_null(columns := (hour, lang, posts, replies, quotes, with_media, with_links, authors)),
    unique_combination_of_columns(columns := (hour, lang)),
    forall(criteria := (
      hour = date_trunc('hour', hour),
      lang <> '',
      posts >= 1,
      authors BETWEEN 1 AND posts,
      replies BETWEEN 0 AND posts,
      quotes BETWEEN 0 AND posts,
      with_media BETWEEN 0 AND posts,
      with_links BETWEEN 0 AND posts
    ))
  )
);

SELECT
  date_trunc('hour', event_at) AS hour,
  -- BCP 47: the language ends at the first hyphen. What is no such code counts as undeclared.
  coalesce(nullif(regexp_extract(lower(langs[1]), '^([a-z]{2,3})(-|$)', 1), ''), 'und') AS lang,
  count(*) AS posts,
  count(*) FILTER (WHERE reply_parent_did IS NOT NULL) AS replies,
  count(*) FILTER (WHERE quote_did IS NOT NULL) AS quotes,
  count(*) FILTER (WHERE media_count > 0) AS with_media,
  count(*) FILTER (WHERE len(links) > 0) AS with_links,
  count(DISTINCT did) AS authors
FROM @lake(posts)
GROUP BY ALL
