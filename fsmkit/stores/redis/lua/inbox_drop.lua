-- ARGV: bot, name, id that counts as handled then ('': none), line and body of an update to be put back
-- ('': none), updates to be forgotten... -> whether there was a letter of the name
for at = 6, #ARGV do take(ARGV[at]) end
redis.call('ZREM', SINCE, ARGV[2])
if redis.call('HDEL', DEAD, ARGV[2]) == 0 then return 0 end
if ARGV[5] ~= '' then
  redis.call('ZREM', STRUCK, ARGV[3])
  put(ARGV[3], ARGV[4], ARGV[5])
elseif ARGV[3] ~= '' then
  redis.call('ZADD', STRUCK, exactly(seconds()), ARGV[3])
end
return 1
