-- ARGV: key, lease ms -> whether there was anything
local there = redis.call('HEXISTS', ROW, 'f')
bury(redis.call('HGET', ROW, 'f'))
let_go(tonumber(ARGV[2]))
return there
