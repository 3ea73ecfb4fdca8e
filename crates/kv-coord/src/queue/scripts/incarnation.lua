-- The name of this life of the queue: another one after a restart, a failover or a flush. ARGV[3]: the name of a new one.
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local known = redis.call('HGET', META, 'incarnation')
if known and string.sub(known, 1, #run) == run then return known end
known = run .. '|' .. ARGV[3]
redis.call('HSET', META, 'incarnation', known)
return known
