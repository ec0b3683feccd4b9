-- Takes from all buckets or from none. KEYS are the buckets; ARGV says of each how much it holds, by
-- which it also fills in a minute, and how much is wanted of it. Answers whether it was taken, and
-- how full each bucket is then. crates/gateway/src/limits/bucket.rs does the same in the process.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local buckets, enough = {}, true

for i, key in ipairs(KEYS) do
  local limit, amount = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local kept = redis.call('HMGET', key, 'level', 'filled')
  local level, filled = tonumber(kept[1]) or limit, tonumber(kept[2]) or now
  level = math.min(level + math.max(now - filled, 0) * limit / 60, limit)
  buckets[i] = {limit = limit, amount = amount, level = level, filled = math.max(now, filled)}
  -- Half a nanosecond is no time to wait.
  if (math.min(amount, limit) - level) * 60 / limit >= 5e-10 then enough = false end
end

local answer = {enough and 1 or 0}
for i, bucket in ipairs(buckets) do
  if enough then bucket.level = bucket.level - bucket.amount end
  local level = string.format('%.17g', bucket.level)
  local filled = string.format('%.17g', bucket.filled)
  redis.call('HSET', KEYS[i], 'level', level, 'filled', filled, 'limit', bucket.limit)
  -- It is full again within the hour, unless much is owed.
  local full = math.ceil((bucket.limit - bucket.level) * 60 / bucket.limit)
  redis.call('EXPIRE', KEYS[i], math.min(math.max(full, 3600), 86400))
  answer[i + 1] = level
end
return answer
