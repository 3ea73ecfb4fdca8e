-- Takes the lock, or joins the line. ARGV[6] how long to wait (0: do not join), ARGV[7] the most that may wait.
local wait_ms, cap = tonumber(ARGV[6]), tonumber(ARGV[7])

local owner, fence = holder()
if owner == token then return { 'GRANTED', { fence } } end
if not owner then
    -- A free lock with a line: the holder expired. Those who wait come first.
    local given, run = hand_over()
    if not given and run then return { 'EPOCH:' .. run, {} } end
    if not given and waiters() == 0 then
        local number
        number, run = epoch()
        if not number then return { 'EPOCH:' .. run, {} } end
        fence = mint(number)
        hold(token, fence, now, ttl_ms, ttl_ms)
        return { 'GRANTED', { fence } }
    end
end
if wait_ms == 0 then return { 'BUSY', { waiters(), lives_ms() } } end
prune()
if not redis.call('ZSCORE', DEADLINES, entry) then
    local before = waiters()
    if before >= cap then return { 'FULL', { before } } end
    redis.call('RPUSH', LINE, entry)
    redis.call('ZADD', DEADLINES, text(now + wait_ms), entry)
    -- The line outlives its last waiter a little and then goes by itself, even if every process dies.
    for _, key in ipairs({ LINE, DEADLINES }) do
        if redis.call('PTTL', key) < wait_ms + 5000 then redis.call('PEXPIRE', key, wait_ms + 5000) end
    end
end
return { 'QUEUED', { position(), lives_ms() } }
