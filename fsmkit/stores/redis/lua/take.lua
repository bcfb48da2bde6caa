-- ARGV: bot, new score in ':due:', ms from now in ':unsent:', process, then set, key, score... -> the keys taken
-- Of all the sweepers that saw the same score one moves it; the others find another one here. If the taker
-- stands still, the key is due again at its new score; if it dies, `orphan` gives it its old one.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local later = string.format('%.0f', now + ARGV[3])
local noted = KEYS[1] .. ':taken:' .. ARGV[1]
local taken = {}
redis.call('ZREMRANGEBYSCORE', noted, '-inf', now)
for at = 5, #ARGV, 3 do
  local set, key, old = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local name = KEYS[1] .. set .. ARGV[1]
  if redis.call('ZSCORE', name, key) == old then
    redis.call('ZADD', name, set == ':due:' and ARGV[2] or later, key)
    local new = redis.call('ZSCORE', name, key)
    redis.call('ZADD', noted, later, table.concat({ARGV[4], set, new, old, key}, ' '))
    taken[#taken + 1] = key
  end
end
redis.call('PEXPIRE', noted, ARGV[3])
return taken
