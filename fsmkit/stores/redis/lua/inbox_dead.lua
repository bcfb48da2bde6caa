-- ARGV: bot, seconds that letters are kept -> (since, letter)...
local names = redis.call('ZRANGEBYSCORE', SINCE, exactly(seconds() - ARGV[2]), '+inf', 'WITHSCORES')
local found = {}
for at = 1, #names, 2 do
  found[#found + 1] = names[at + 1]
  found[#found + 1] = redis.call('HGET', DEAD, names[at])
end
return found
