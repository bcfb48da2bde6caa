-- ARGV: bot, attempts, ids...
for at = 3, #ARGV do
  if redis.call('HEXISTS', BODIES, ARGV[at]) == 1 then redis.call('HSET', ATTEMPTS, ARGV[at], ARGV[2]) end
end
