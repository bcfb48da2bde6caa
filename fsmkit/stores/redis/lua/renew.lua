-- ARGV: key, token, lease ms -> whether the lease still was the token's.
if redis.call('GET', LEASE) ~= ARGV[2] then return 0 end
return redis.call('PEXPIRE', LEASE, ARGV[3])
