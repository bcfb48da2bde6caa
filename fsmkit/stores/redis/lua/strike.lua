-- ARGV: key, id, claim ms, entry, is there a receipt, receipt -> the next entry, or nil
local id, claim_ms = ARGV[2], ARGV[3]
local old = redis.call('HMGET', ROW, 's', 'f', 'b')
if old[1] == id then return redis.call('LINDEX', OUTBOX, 0) end
-- Who came too late leaves it to the one that has the claim now, and who may be sending this very entry.
if not same_process(old[1], id) then return false end
if redis.call('LINDEX', OUTBOX, 0) ~= ARGV[4] then return false end
redis.call('LPOP', OUTBOX)
if ARGV[5] == '1' then redis.call('RPUSH', RECEIPTS, ARGV[6]) end
local following = redis.call('LINDEX', OUTBOX, 0)
local receipts = redis.call('EXISTS', RECEIPTS) == 1
if following then
  claim(claim_ms, id)
elseif old[3] or receipts then
  redis.call('HDEL', ROW, 'c', 't')
  redis.call('HSET', ROW, 's', id)
  redis.call('ZREM', UNSENT, key)
  -- Receipts of a conversation that is over: the key is due, so that a look at it takes them in.
  if not old[3] then redis.call('ZADD', DUE, 0, key) end
else
  bury(old[2])
end
return following
