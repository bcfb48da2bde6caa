-- ARGV: bot, claim ms, processes that have died...; KEYS: bases of shards. Their claims on outboxes are over,
-- and what they have taken to look at, and not looked at, is due again. A claim lasts its time from the last
-- sign of life, or from the end of what its chat has to wait; that stays.
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + time[2] / 1000)
local dead = {}
for at = 3, #ARGV do dead[ARGV[at]] = true end
for _, base in ipairs(KEYS) do
  local unsent = base .. ':unsent:' .. ARGV[1]
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', unsent, '(' .. now, '+inf')) do
    local row = base .. ':row:' .. key
    local held = redis.call('HMGET', row, 's', 'c', 't')
    if dead[string.sub(held[1] or '', 1, 8)] then
      local ends = math.min(held[2] or now, now + (held[3] or ARGV[2]))
      local till = string.format('%.0f', math.max(now, ends - ARGV[2]))
      redis.call('HSET', row, 'c', till, 's', '')
      redis.call('ZADD', unsent, till, key)
    end
  end
  local noted = base .. ':taken:' .. ARGV[1]
  for _, note in ipairs(redis.call('ZRANGE', noted, 0, -1)) do
    local process, set, new, old, key = string.match(note, '^(%S+) (%S+) (%S+) (%S+) (.*)$')
    if dead[process] then
      local name = base .. set .. ARGV[1]
      if redis.call('ZSCORE', name, key) == new then redis.call('ZADD', name, old, key) end
      redis.call('ZREM', noted, note)
    end
  end
end
