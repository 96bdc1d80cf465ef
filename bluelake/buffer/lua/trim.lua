-- Remove every entry up to and including one flush, from every queue and from the list of flushes.
-- KEYS: metadata, flushes, then the stream of each queue.
-- ARGV: number of the last flush to remove.
-- Returns how many flushes were removed.
local last = ARGV[1]
local removed = redis.call('XRANGE', KEYS[2], '-', last .. '-18446744073709551615')
local events, bytes = {}, {}
for _, entry in ipairs(removed) do
  local fields = entry[2]
  for i = 1, #fields, 2 do
    local into = (fields[i] == 'counts' and events) or (fields[i] == 'sizes' and bytes)
    if into then
      for queue, number in pairs(cjson.decode(fields[i + 1])) do
        into[queue] = (into[queue] or 0) + number
      end
    end
  end
end
-- First, since a Redis that is full lets a script do nothing else until it has written something that it allows.
local after = string.format('%.0f', tonumber(last) + 1) .. '-0'
for i = 2, #KEYS do
  redis.call('XTRIM', KEYS[i], 'MINID', after)
end
-- Where the metadata is removed, the next flush counts what is left.
if redis.call('HEXISTS', KEYS[1], 'flush') == 1 then
  for queue, number in pairs(events) do
    redis.call('HINCRBY', KEYS[1], 'events:' .. queue, -number)
  end
  for queue, number in pairs(bytes) do
    redis.call('HINCRBY', KEYS[1], 'bytes:' .. queue, -number)
  end
end
return #removed
