-- What all scripts share. KEYS[1] is the shard's base, "{prefix:number}"; every name below begins with it, so
-- that all of them stand in one slot. ARGV[1] is the conversation key's text.
--
-- No key is called KEYS[1] or KEYS[2]. In a cluster a slot that is just being moved therefore answers
-- TRYAGAIN to every script, and none ever sees a row here and its lease still there.

local base, key = KEYS[1], ARGV[1]
local ROW = base .. ':row:' .. key
local LEASE = base .. ':lease:' .. key
local QUEUE = base .. ':queue:' .. key
local SEEN = base .. ':seen:' .. key
local OUTBOX = base .. ':outbox:' .. key
local RECEIPTS = base .. ':receipts:' .. key
local FRESH = base .. ':fresh'
local ALL = base .. ':keys'
local BOT = string.match(key, '[^:]*$')
local DUE = base .. ':due:' .. BOT
local UNSENT = base .. ':unsent:' .. BOT

-- Microseconds by this server's clock: the workers' clocks are never compared with each other.
local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function exact(number)
  return string.format('%.0f', number)
end

-- The answer to who got the turn: 1, version, row, receipts. A version is the id of the commit that wrote.
local function view()
  local found = redis.call('HMGET', ROW, 'v', 'b')
  local shown = {1, found[1] or '', found[2]}
  for _, receipt in ipairs(redis.call('LRANGE', RECEIPTS, 0, -1)) do
    shown[#shown + 1] = receipt
  end
  return shown
end

-- Ids begin with the 8 characters of their process.
local function same_process(one, other)
  return one and string.sub(one, 1, 8) == string.sub(other, 1, 8)
end

local function channel_of(token)
  return PREFIX .. ':wake:' .. string.sub(token, 1, 8)
end

-- The same as a message: netstrings of token, key, version, "1" or "" (is there a row), row, receipts.
local function wake_up(token)
  local shown = view()
  local parts = {token, key, shown[2], shown[3] and '1' or '', shown[3] or ''}
  for at = 4, #shown do
    parts[#parts + 1] = shown[at]
  end
  for at, part in ipairs(parts) do
    parts[at] = #part .. ':' .. part
  end
  return redis.call('PUBLISH', channel_of(token), table.concat(parts))
end

-- Who has the lease. Its time is the end of the token: a clock that is set back must not make it more.
local function holder_now()
  local holder = redis.call('GET', LEASE)
  local term = holder and tonumber(string.sub(holder, 17), 16)
  if term and redis.call('PTTL', LEASE) > term then redis.call('PEXPIRE', LEASE, term) end
  return holder
end

-- Gives a free lease. Keys of which nothing is stored are noted meanwhile: `forget` has to find them too.
local function grant(token, lease_ms)
  redis.call('SET', LEASE, token, 'PX', lease_ms)
  if redis.call('EXISTS', ROW) == 0 then redis.call('SADD', FRESH, key) end
end

-- Gives a free lease to who has waited longest. A waiter that has not been seen for two thirds of the lease
-- time is passed over: its process is gone or stands still; when it comes back it asks with its old ticket.
-- `asking` is who called this script: it gets its answer, not a message.
local function hand_over(lease_ms, asking)
  local first = redis.call('ZPOPMIN', QUEUE)[1]
  local now = first and micros()
  while first do
    local last = redis.call('HGET', SEEN, first)
    redis.call('HDEL', SEEN, first)
    if last and now - last < lease_ms * 667 then
      grant(first, lease_ms)
      -- In a cluster the number counts this node's subscribers only and says nothing.
      if first == asking or wake_up(first) > 0 or CLUSTER then return end
      redis.call('DEL', LEASE)
    end
    first = redis.call('ZPOPMIN', QUEUE)[1]
  end
end

-- Ends the turn that is held; the next in line has it then.
local function let_go(lease_ms)
  redis.call('DEL', LEASE)
  redis.call('SREM', FRESH, key)
  hand_over(lease_ms)
end

-- Takes a key out of what `scan` looks through, given its old flows (JSON) and the ones it still has.
local function file(old, new)
  if old == new then return end
  local stays = {}
  for _, flow in ipairs(cjson.decode(new or '[]')) do
    stays[flow] = true
    redis.call('ZADD', base .. ':flow:' .. flow, 0, key)
  end
  for _, flow in ipairs(cjson.decode(old or '[]')) do
    if not stays[flow] then redis.call('ZREM', base .. ':flow:' .. flow, key) end
  end
  if not old then redis.call('ZADD', ALL, 0, key) end
  if not new then redis.call('ZREM', ALL, key) end
end

-- Removes all that is stored.
local function bury(flows)
  file(flows, nil)
  redis.call('DEL', ROW, OUTBOX, RECEIPTS)
  if redis.call('EXISTS', LEASE) == 1 then redis.call('SADD', FRESH, key) end
  redis.call('ZREM', DUE, key)
  redis.call('ZREM', UNSENT, key)
end

-- The outbox belongs to the process that called with `id`, for so many milliseconds. They are kept beside the
-- time of the end: a clock that is set back must not make them more.
local function claim(ms, id)
  local till = exact(micros() / 1000 + ms)
  redis.call('HSET', ROW, 'c', till, 's', id, 't', exact(math.max(0, ms)))
  redis.call('ZADD', UNSENT, till, key)
end
