-- ARGV: key, token of who has died, lease ms. Takes its lease away; the next in line has it then.
if redis.call('GET', LEASE) == ARGV[2] then let_go(tonumber(ARGV[3])) end
return 1
