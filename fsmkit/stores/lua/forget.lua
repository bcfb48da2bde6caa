-- ARGV: key, lease ms -> whether there was anything
local there = redis.call('HEXISTS', ROW, 'f')
bury(redis.call('HGET', ROW, 'f'))
redis.call('DEL', LEASE)
hand_over(tonumber(ARGV[2]))
return there
