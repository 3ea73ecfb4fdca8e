-- Starts the lifetime anew. ARGV: 3 id, 4 token, 5 lifetime.
local id, until_ms = ARGV[3], now + tonumber(ARGV[5])
begin()
if not held(id, ARGV[4], now) then return { 'LOST', 0 } end
redis.call('ZADD', LEASES, text(until_ms), id)
return { 'HELD', until_ms }
