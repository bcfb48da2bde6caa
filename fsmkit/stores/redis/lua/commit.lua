-- ARGV: key, token ('': without a lease), lease ms, expected version, id, hold, is there a row, row, wake,
-- index, flows, receipts folded, claim ms, ms to remember the id, entries for the outbox...
-- -> {1, entry to deliver or nil, version}, or {0}: the lease is over, nothing was written
local token, lease_ms, expected, id, hold = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6] == '1'
local given, wake, flows, folded, claim_ms = ARGV[7] == '1', ARGV[9], ARGV[11], tonumber(ARGV[12]), ARGV[13]
local old = redis.call('HMGET', ROW, 'v', 'f', 'c', 's')
local filed, claimed = old[2], old[3]

-- Commits are remembered for as long as a client repeats what it got no answer to. Others may have written
-- since, so the row's version alone would not tell. The last one of a turn has the token as its id.
local done = base .. ':done:' .. id
if redis.call('GET', done) == '1' then
  return {1, old[4] == id and redis.call('LINDEX', OUTBOX, 0), old[1] or ''}
end

local mine = token == '' or redis.call('GET', LEASE) == token
if not mine or (old[1] or '') ~= expected then
  if mine and token ~= '' then
    let_go(lease_ms)
  end
  redis.call('SET', done, '0', 'PX', ARGV[14])
  return {0}
end

redis.call('SET', done, '1', 'PX', ARGV[14])
for at = 15, #ARGV do
  redis.call('RPUSH', OUTBOX, ARGV[at])
end
if folded > 0 then redis.call('LTRIM', RECEIPTS, folded, -1) end
local waiting = redis.call('EXISTS', OUTBOX) == 1
local entry = false
if not given and not waiting then
  bury(filed)
else
  file(filed, flows)
  redis.call('HSET', ROW, 'v', id, 'b', ARGV[8], 'i', ARGV[10], 'f', flows)
  if not given then redis.call('HDEL', ROW, 'b') end
  if wake == '' then redis.call('ZREM', DUE, key) else redis.call('ZADD', DUE, wake, key) end
  if waiting then
    if not claimed or tonumber(claimed) <= micros() / 1000 then
      claim(claim_ms, id)
      entry = redis.call('LINDEX', OUTBOX, 0)
    end
  elseif claimed then
    redis.call('HDEL', ROW, 'c', 's', 't')
    redis.call('ZREM', UNSENT, key)
  end
end

if token ~= '' then
  if hold then
    redis.call('PEXPIRE', LEASE, lease_ms)
  else
    let_go(lease_ms)
  end
end
return {1, entry, (given or waiting) and id or ''}
