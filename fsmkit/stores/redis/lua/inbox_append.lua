-- ARGV: bot, seconds that ids are remembered, how much may wait, (id, line, body)...
-- -> {1, (id, number)...}, or {0}: too much waits
redis.call('ZREMRANGEBYSCORE', STRUCK, '-inf', exactly(seconds() - ARGV[2]))
if redis.call('ZCARD', ORDER) >= tonumber(ARGV[3]) then return {0} end
local found = {1}
for at = 4, #ARGV, 3 do
  local id = ARGV[at]
  local known = redis.call('HEXISTS', BODIES, id) == 1 or redis.call('HEXISTS', DEAD, id) == 1
  if not known and not redis.call('ZSCORE', STRUCK, id) then
    found[#found + 1] = id
    found[#found + 1] = put(id, ARGV[at + 1], ARGV[at + 2])
  end
end
return found
