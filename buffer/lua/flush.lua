-- Append one flush to every queue at once, if Redis stands at the flush that it continues, of the writer that is meant.
-- KEYS: metadata, flushes, then the stream of each chunk.
-- ARGV: number continued (0: none), new number, cursors, counts, sizes, totals, now in microseconds, host,
--       writer, writer continued (*: any), then for each chunk n, first_us, last_us, z.
-- Returns the number found on a mismatch, else false.
local found = redis.call('HGET', KEYS[1], 'flush')
if tonumber(found or '0') ~= tonumber(ARGV[1]) then
  return found or '0'
end
if ARGV[10] ~= '*' and (redis.call('HGET', KEYS[1], 'writer') or '') ~= ARGV[10] then
  return found or '0'
end
local flush, host = ARGV[2], ARGV[8]
local argument = 11
for i = 3, #KEYS do
  redis.call('XADD', KEYS[i], flush .. '-' .. (i - 2),
    'n', ARGV[argument], 'first_us', ARGV[argument + 1], 'last_us', ARGV[argument + 2],
    'host', host, 'z', ARGV[argument + 3])
  argument = argument + 4
end
redis.call('XADD', KEYS[2], flush .. '-1',
  'prev', ARGV[1], 'cursors', ARGV[3], 'counts', ARGV[4], 'sizes', ARGV[5])
for queue, total in pairs(cjson.decode(ARGV[6])) do
  redis.call('HINCRBY', KEYS[1], 'events:' .. queue, total[1])
  redis.call('HINCRBY', KEYS[1], 'bytes:' .. queue, total[2])
end
redis.call('HSET', KEYS[1], 'flush', flush, 'cursors', ARGV[3], 'flushed_us', ARGV[7],
  'writer', ARGV[9])
return false
