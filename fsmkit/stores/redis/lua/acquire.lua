-- ARGV: key, token, lease ms, ticket ('': none yet), wanted ('': of use only where a conversation is stored)
-- -> view, or {0, ticket, ms until the lease is over, token of who has it}, or {2}: this turn is over already, or view with a 3 in
-- front: nothing can want the turn, and none was taken
-- The token is made by the client, so asking again is harmless: it is what a client does whose answer was
-- lost, whose wake-up was lost, or who has waited for a while.
local token, lease_ms, ticket = ARGV[2], tonumber(ARGV[3]), ARGV[4]
-- A question may arrive after what was done with its answer, over a connection that was thought dead.
if redis.call('EXISTS', base .. ':done:' .. token) == 1 then return {2} end
local holder = holder_now()
if holder == token then
  redis.call('PEXPIRE', LEASE, lease_ms)
  return view()
end
if not holder and redis.call('EXISTS', QUEUE) == 0 then
  if ARGV[5] == '' and (redis.call('HGET', ROW, 'f') or '[]') == '[]' then
    local shown = view()
    shown[1] = 3
    return shown
  end
  grant(token, lease_ms)
  return view()
end
local now = micros()
local kept = redis.call('ZSCORE', QUEUE, token)
if kept then
  ticket = kept
else
  if ticket == '' then
    local last = redis.call('ZRANGE', QUEUE, -1, -1, 'WITHSCORES')[2]
    ticket = exact(last and math.max(now, last + 1) or now)
  end
  redis.call('ZADD', QUEUE, ticket, token)
end
redis.call('HSET', SEEN, token, exact(now))
redis.call('PEXPIRE', QUEUE, lease_ms * 10)
redis.call('PEXPIRE', SEEN, lease_ms * 10)
if not holder then
  hand_over(lease_ms, token)
  holder = redis.call('GET', LEASE)
  if holder == token then return view() end
end
return {0, ticket, redis.call('PTTL', LEASE), holder}
