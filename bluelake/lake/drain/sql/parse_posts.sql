-- Posts: app.bsky.feed.post, app.bsky.richtext.facet, app.bsky.embed.*.
WITH parsed AS (
  SELECT ordinal, json_transform(line, '{
    "did": "VARCHAR", "time_us": "BIGINT",
    "commit": {"rev": "VARCHAR", "operation": "VARCHAR", "collection": "VARCHAR", "rkey": "VARCHAR", "cid": "VARCHAR",
      "record": {
        "createdAt": "VARCHAR", "text": "JSON", "langs": ["VARCHAR"], "tags": ["VARCHAR"],
        "facets": [{"features": [{"$type": "VARCHAR", "tag": "VARCHAR", "did": "VARCHAR", "uri": "VARCHAR"}]}],
        "reply": {"parent": {"uri": "VARCHAR"}, "root": {"uri": "VARCHAR"}},
        "labels": {"values": [{"val": "VARCHAR"}]},
        "embed": {
          "$type": "VARCHAR", "alt": "VARCHAR", "images": [{"alt": "VARCHAR"}], "external": {"uri": "VARCHAR", "description": "VARCHAR"},
          "record": {"uri": "VARCHAR", "record": {"uri": "VARCHAR"}},
          "media": {"$type": "VARCHAR", "alt": "VARCHAR", "images": [{"alt": "VARCHAR"}],
                    "external": {"uri": "VARCHAR", "description": "VARCHAR"}}
        }
      }
    }
  }') AS j FROM lines
), pieces AS (
  SELECT ordinal, j, j.commit.record AS r, j.commit.record.embed AS e,
         json_string(j.commit.record.text) AS text,
         flatten(list_transform(coalesce(j.commit.record.facets, []), lambda f: coalesce(f.features, []))) AS features,
         CASE j.commit.record.embed."$type"
           WHEN 'app.bsky.embed.images' THEN 'images' WHEN 'app.bsky.embed.video' THEN 'video'
           WHEN 'app.bsky.embed.external' THEN 'external' WHEN 'app.bsky.embed.record' THEN 'record'
           WHEN 'app.bsky.embed.recordWithMedia' THEN 'record_with_media'
           ELSE CASE WHEN j.commit.record.embed."$type" IS NULL THEN 'none' ELSE 'other' END END AS embed
  FROM parsed
), lists AS (
  SELECT *,
         present(list_transform(features, lambda f: CASE WHEN ends_with(f."$type", '#tag') THEN f.tag END)) AS facet_tags,
         present(list_transform(features, lambda f: CASE WHEN ends_with(f."$type", '#mention') THEN f.did END)) AS mentions,
         present(list_transform(features, lambda f: CASE WHEN ends_with(f."$type", '#link') THEN f.uri END)) AS facet_links,
         CASE embed WHEN 'record' THEN e.record.uri WHEN 'record_with_media' THEN e.record.record.uri END AS quoted,
         CASE WHEN embed = 'record_with_media' THEN e.media.images ELSE e.images END AS images,
         CASE WHEN embed = 'record_with_media' THEN e.media."$type" ELSE e."$type" END AS media_type,
         CASE WHEN embed = 'record_with_media' THEN e.media.alt ELSE e.alt END AS video_alt,
         CASE WHEN embed = 'record_with_media' THEN e.media.external.uri ELSE e.external.uri END AS external_link,
         -- The client keeps the alternative text of a GIF there, behind a prefix.
         regexp_extract(CASE WHEN embed = 'record_with_media' THEN e.media.external.description ELSE e.external.description END,
                        '^A(?:lt|LT): (?s:(.*))', 1) AS gif_alt
  FROM pieces
), tagged AS (
  SELECT *, list_concat(facet_tags, present(r.tags)) AS stated_tags,
         list_distinct_in_order(list_concat(facet_links, present([external_link]))) AS links
  FROM lists
), keyed AS (
  -- Most posts have no tag, or tags of ASCII letters and digits. Python fills in the others, which have no keys yet.
  SELECT *,
         CASE WHEN len(stated_tags) = 0 AND NOT (contains(text, '#') OR contains(text, '＃') OR contains(text, '$'))
                THEN stated_tags
              WHEN regexp_full_match(array_to_string(stated_tags, '|'), '[A-Za-z0-9|]+')
                THEN list_transform(stated_tags, lambda tag: lower(tag)) END AS tag_keys
  FROM tagged
)
SELECT ordinal,
       j.did AS did, j.commit.rkey AS rkey, tid_to_int(j.commit.rev) AS rev,
       make_timestamptz(j.time_us) AS event_at, claimed_time(r."createdAt") AS created_at,
       stored_operation(j) AS operation, may_replace(j) AS may_replace,
       j.commit.cid AS cid,
       text,
       present(r.langs) AS langs,
       CASE WHEN tag_keys IS NULL THEN stated_tags
            ELSE list_filter(stated_tags, lambda tag, i: list_position(tag_keys, lower(tag)) = i) END AS hashtags,
       list_distinct_in_order(tag_keys) AS hashtag_keys,
       list_distinct_in_order(mentions) AS mentions,
       links,
       list_distinct_in_order(present(list_transform(links, lambda link:
           lower(regexp_extract(link, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]+)', 1))))) AS domains,
       at_part(r.reply.parent.uri, 3) AS reply_parent_did, at_part(r.reply.parent.uri, 5) AS reply_parent_rkey,
       at_part(r.reply.root.uri, 3) AS reply_root_did, at_part(r.reply.root.uri, 5) AS reply_root_rkey,
       CASE WHEN at_part(quoted, 4) = 'app.bsky.feed.post' THEN at_part(quoted, 3) END AS quote_did,
       CASE WHEN at_part(quoted, 4) = 'app.bsky.feed.post' THEN at_part(quoted, 5) END AS quote_rkey,
       embed,
       CASE WHEN media_type = 'app.bsky.embed.images' THEN len(coalesce(images, []))
            WHEN media_type = 'app.bsky.embed.video' THEN 1 ELSE 0 END::INTEGER AS media_count,
       present(CASE WHEN media_type = 'app.bsky.embed.video' THEN [video_alt]
                    ELSE list_append(list_transform(coalesce(images, []), lambda image: image.alt), gif_alt) END)
         AS alt_texts,
       present(list_transform(coalesce(r.labels.values, []), lambda label: label.val)) AS labels,
       coalesce(commit_reason(j), CASE WHEN text IS NULL THEN 'invalid_record' END) AS reject_reason
FROM keyed
