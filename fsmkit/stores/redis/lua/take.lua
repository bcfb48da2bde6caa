-- ARGV: bot, new score in ':due:', ms from now in ':unsent:', then set, key, score... -> the keys taken
-- Of all the sweepers that saw the same score one moves it; the others find another one here. If the taker
-- dies, the key is due again at its new score.
local time = redis.call('TIME')
local later = string.format('%.0f', time[1] * 1000 + time[2] / 1000 + ARGV[3])
local taken = {}
for at = 4, #ARGV, 3 do
  local name, key = KEYS[1] .. ARGV[at] .. ARGV[1], ARGV[at + 1]
  if redis.call('ZSCORE', name, key) == ARGV[at + 2] then
    redis.call('ZADD', name, ARGV[at] == ':due:' and ARGV[2] or later, key)
    taken[#taken + 1] = key
  end
end
return taken
