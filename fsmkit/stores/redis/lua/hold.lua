-- ARGV: key, id, ms. Keeps the claim on an outbox, if it still is this process's.
if redis.call('EXISTS', OUTBOX) == 0 or not same_process(redis.call('HGET', ROW, 's'), ARGV[2]) then return 0 end
claim(tonumber(ARGV[3]), redis.call('HGET', ROW, 's'))
return 1
