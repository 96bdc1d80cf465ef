-- Append one flush to every queue at once, if Redis stands at the flush that it continues, of the writer that is meant.
-- KEYS: metadata, flushes, then the stream of each chunk.
-- ARGV: number continued (0: none), new number, cursors, counts, sizes, now in microseconds, host,
--       writer, writer continued (*: any), then for each chunk n, first_us, last_us, z.
-- Returns the number found on a mismatch, else false.
local found = redis.call('HGET', KEYS[1], 'flush')
local is_lost = not found
if is_lost then
  -- The metadata can be deleted or evicted alone: the newest flush that is left tells as much.
  local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  found = newest and string.match(newest[1], '^%d+')
end
if tonumber(found or '0') ~= tonumber(ARGV[1]) then
  return found or '0'
end
if ARGV[9] ~= '*' and (redis.call('HGET', KEYS[1], 'writer') or '') ~= ARGV[9] then
  return found or '0'
end
local flush, host = ARGV[2], ARGV[7]
-- First: every number is here, and one that was used before is refused while nothing else is written.
redis.call('XADD', KEYS[2], flush .. '-1',
  'prev', ARGV[1], 'cursors', ARGV[3], 'counts', ARGV[4], 'sizes', ARGV[5])
local argument = 10
for i = 3, #KEYS do
  redis.call('XADD', KEYS[i], flush .. '-' .. (i - 2),
    'n', ARGV[argument], 'first_us', ARGV[argument + 1], 'last_us', ARGV[argument + 2],
    'host', host, 'z', ARGV[argument + 3])
  argument = argument + 4
end
local function add(prefix, numbers)
  for queue, number in pairs(cjson.decode(numbers)) do
    redis.call('HINCRBY', KEYS[1], prefix .. queue, number)
  end
end
if is_lost then
  redis.call('DEL', KEYS[1])
  for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+')) do
    local fields = entry[2]
    for i = 1, #fields, 2 do
      local prefix = (fields[i] == 'counts' and 'events:') or (fields[i] == 'sizes' and 'bytes:')
      if prefix then
        add(prefix, fields[i + 1])
      end
    end
  end
else
  add('events:', ARGV[4])
  add('bytes:', ARGV[5])
end
redis.call('HSET', KEYS[1], 'flush', flush, 'cursors', ARGV[3], 'flushed_us', ARGV[6],
  'writer', ARGV[8])
return false
