-- Puts back what a call did not need, or takes what it needed more. KEYS are the buckets; ARGV is what
-- goes back into each.
for i, key in ipairs(KEYS) do
  local bucket = redis.call('HMGET', key, 'level', 'limit')
  local level, limit = tonumber(bucket[1]), tonumber(bucket[2])
  if level and limit then
    local settled = math.min(level + tonumber(ARGV[i]), limit)
    redis.call('HSET', key, 'level', string.format('%.17g', settled))
  end
end
