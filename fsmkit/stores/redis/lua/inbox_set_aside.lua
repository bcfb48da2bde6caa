-- ARGV: bot, seconds that letters are kept, name, id ('': none), letter
local now = seconds()
for _, old in ipairs(redis.call('ZRANGEBYSCORE', SINCE, '-inf', exactly(now - ARGV[2]))) do
  redis.call('HDEL', DEAD, old)
  redis.call('ZREM', SINCE, old)
end
redis.call('HSET', DEAD, ARGV[3], ARGV[5])
redis.call('ZADD', SINCE, exactly(now), ARGV[3])
if ARGV[4] ~= '' then strike(ARGV[4]) end
