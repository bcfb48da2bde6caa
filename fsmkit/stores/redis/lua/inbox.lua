-- What the scripts of an inbox share. KEYS[1] is the base of the shard in which a bot's inbox is; ARGV[1] is
-- the bot, as the texts of its keys end. What was received stands in a hash by its id, as the client packed it;
-- in what order, and in whose line, in sorted sets by a number that is never used twice.

local function name(what)
  return KEYS[1] .. ':inbox-' .. what .. ':' .. ARGV[1]
end

local BODIES, LINES, ORDER, NUMBER = name('bodies'), name('lines'), name('order'), name('number')
local STRUCK, DEAD, SINCE = name('struck'), name('dead'), name('since')
local ATTEMPTS = name('attempts')

local function line_of(line)
  return name('line') .. ':' .. line
end

local function seconds()
  local time = redis.call('TIME')
  return time[1] + time[2] / 1000000
end

local function exactly(number)
  return string.format('%.6f', number)
end

local function put(id, line, body)
  local number = redis.call('INCR', NUMBER)
  redis.call('HSET', BODIES, id, body)
  redis.call('HSET', LINES, id, line)
  redis.call('ZADD', ORDER, number, id)
  redis.call('ZADD', line_of(line), number, id)
  return number
end

-- Takes an update out of the inbox; whether it was there.
local function take(id)
  local line = redis.call('HGET', LINES, id)
  if not line then return false end
  redis.call('HDEL', BODIES, id)
  redis.call('HDEL', LINES, id)
  redis.call('HDEL', ATTEMPTS, id)
  redis.call('ZREM', ORDER, id)
  redis.call('ZREM', line_of(line), id)
  return true
end

local function strike(id)
  if take(id) then redis.call('ZADD', STRUCK, exactly(seconds()), id) end
end
