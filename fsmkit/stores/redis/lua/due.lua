-- ARGV: bot, now (seconds, the caller's clock), limit, flows (JSON); KEYS: bases of shards
-- -> {base, set, key, score, seconds overdue, ...}, {processes that deliver what is not due...}
-- Only looks, where no clock was set back: what of it the caller may have is settled by `take`, which goes to one shard at a time.
local bot, limit = ARGV[1], tonumber(ARGV[3])
local known, found = {}, {}
for _, flow in ipairs(cjson.decode(ARGV[4])) do known[flow] = true end

local function wanted(base, key)
  local flows = redis.call('HGET', base .. ':row:' .. key, 'f')
  if not flows or flows == '[]' then return true end
  for _, flow in ipairs(cjson.decode(flows)) do
    if known[flow] then return true end
  end
  return false
end

local function look(base, set, now, unit)
  local at, hits, name = 0, 0, base .. set .. bot
  while hits < limit do
    local page = redis.call('ZRANGEBYSCORE', name, '-inf', now, 'WITHSCORES', 'LIMIT', at, 100)
    for n = 1, #page, 2 do
      if hits < limit and wanted(base, page[n]) then
        hits = hits + 1
        local overdue = string.format('%.3f', (now - page[n + 1]) / unit)
        for _, part in ipairs({base, set, page[n], page[n + 1], overdue}) do found[#found + 1] = part end
      end
    end
    if #page < 200 then return end
    at = at + 100
  end
end

-- Outboxes that somebody delivers, those that are claimed for longest first. When the clock was set back a
-- claim seems to have more time than it was given.
local processes, seen = {}, {}
local function claims(base, now)
  local unsent = base .. ':unsent:' .. bot
  for _, key in ipairs(redis.call('ZREVRANGEBYSCORE', unsent, '+inf', '(' .. now, 'LIMIT', 0, 100)) do
    local row = base .. ':row:' .. key
    local held = redis.call('HMGET', row, 's', 'c', 't')
    if held[2] and held[3] and held[2] - now > held[3] + 1 then
      local till = string.format('%.0f', now + held[3])
      redis.call('HSET', row, 'c', till)
      redis.call('ZADD', unsent, till, key)
    end
    local process = held[1] and string.sub(held[1], 1, 8)
    if process and process ~= '' and not seen[process] then
      seen[process] = true
      processes[#processes + 1] = process
    end
  end
end

local time = redis.call('TIME')
local server = string.format('%.0f', time[1] * 1000 + time[2] / 1000)
for _, base in ipairs(KEYS) do
  look(base, ':due:', ARGV[2], 1)
  look(base, ':unsent:', server, 1000)
  claims(base, server)
end
return {found, processes}
