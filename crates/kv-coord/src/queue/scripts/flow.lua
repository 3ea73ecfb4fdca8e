-- Lets claims pass a queue by, or not any more. ARGV: 3 queue, 4 PAUSED or OPEN.
if ARGV[4] == 'PAUSED' then
    redis.call('HSET', META, 'paused:' .. ARGV[3], '1')
else
    redis.call('HDEL', META, 'paused:' .. ARGV[3])
    calls = redis.call('ZCARD', ORDER[ARGV[3]])
end
call_waiters()
return 0
