-- ARGV: key, token, lease ms, ms to remember the token. Frees the lease, or gives up the place in the queue.
local done = base .. ':done:' .. ARGV[2]
if redis.call('EXISTS', done) == 0 then redis.call('SET', done, '0', 'PX', ARGV[4]) end
if redis.call('GET', LEASE) == ARGV[2] then
  let_go(tonumber(ARGV[3]))
else
  redis.call('ZREM', QUEUE, ARGV[2])
  redis.call('HDEL', SEEN, ARGV[2])
end
return 1
