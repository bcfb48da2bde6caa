-- ARGV: bot, number after which, how many, line ('': any) -> (id, number, body, attempts)...
local from = ARGV[4] == '' and ORDER or line_of(ARGV[4])
local ids = redis.call('ZRANGEBYSCORE', from, '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local found = {}
for at = 1, #ids, 2 do
  found[#found + 1] = ids[at]
  found[#found + 1] = ids[at + 1]
  found[#found + 1] = redis.call('HGET', BODIES, ids[at])
  found[#found + 1] = redis.call('HGET', ATTEMPTS, ids[at]) or 0
end
return found
