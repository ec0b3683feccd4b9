-- Adds what a node counted since the last time to what all nodes counted. KEYS: the rings of seconds,
-- minutes and quarters of an hour, the calls of this minute, who runs how much, who is there. ARGV:
-- the node, how many calls it runs, calls, tokens and errors that are new, then people who were seen.
-- Answers how many people are there.
local now = tonumber(redis.call('TIME')[1])
local node, running = ARGV[1], ARGV[2]
local new = {tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])}

if new[1] > 0 then
  -- Places and seconds of each, as in crates/gateway/src/live/windows.rs.
  for i, ring in ipairs({{60, 1}, {60, 60}, {96, 900}}) do
    local span = math.floor(now / ring[2])
    local place = span % ring[1]
    local kept = redis.call('HGET', KEYS[i], place) or ''
    local of, calls, tokens, errors = string.match(kept, '(%d+) (%d+) (%d+) (%d+)')
    if tonumber(of) ~= span then calls, tokens, errors = 0, 0, 0 end
    local sum = string.format('%.0f %.0f %.0f %.0f', span, calls + new[1], tokens + new[2], errors + new[3])
    redis.call('HSET', KEYS[i], place, sum)
    redis.call('EXPIRE', KEYS[i], ring[1] * ring[2])
  end
  redis.call('INCRBY', KEYS[4], new[1])
  redis.call('EXPIREAT', KEYS[4], (math.floor(now / 60) + 1) * 60)
end

redis.call('HSET', KEYS[5], node, now .. ' ' .. running)
redis.call('EXPIRE', KEYS[5], 10)
for i = 6, #ARGV do redis.call('ZADD', KEYS[6], now, ARGV[i]) end
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now - 300)
redis.call('EXPIRE', KEYS[6], 300)
return redis.call('ZCARD', KEYS[6])
