-- What all nodes count together; KEYS as in share.lua. Answers how many nodes there are, how many
-- calls they run and how many people are there, then calls, tokens and errors of the last minute,
-- the last hour and the last day.
local now = tonumber(redis.call('TIME')[1])
local nodes, running = 0, 0
local kept = redis.call('HGETALL', KEYS[5])
for i = 1, #kept, 2 do
  local seen, runs = string.match(kept[i + 1], '(%d+) (%d+)')
  if now - seen < 10 then
    nodes, running = nodes + 1, running + runs
  else
    redis.call('HDEL', KEYS[5], kept[i])
  end
end

local answer = {nodes, running, redis.call('ZCOUNT', KEYS[6], now - 299, '+inf')}
for i, ring in ipairs({{60, 1}, {60, 60}, {96, 900}}) do
  local span = math.floor(now / ring[2])
  local sums = {0, 0, 0}
  for _, place in ipairs(redis.call('HVALS', KEYS[i])) do
    local of, calls, tokens, errors = string.match(place, '(%d+) (%d+) (%d+) (%d+)')
    if tonumber(of) > span - ring[1] and tonumber(of) <= span then
      sums = {sums[1] + calls, sums[2] + tokens, sums[3] + errors}
    end
  end
  for _, sum in ipairs(sums) do answer[#answer + 1] = sum end
end
return answer
