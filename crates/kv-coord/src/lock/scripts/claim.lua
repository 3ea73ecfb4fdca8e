-- A waiter asks how it stands: after a wake-up, which it so confirms, and now and then in case one was lost.
-- If the holder is gone without handing over, this call hands over.
local owner, fence, since = holder()
if not owner then
    local _, run = hand_over()
    if run then return { 'EPOCH:' .. run, {} } end
    owner, fence, since = holder()
end
if owner == token then
    hold(token, fence, since, ttl_ms, ttl_ms)
    return { 'GRANTED', { fence } }
end
if redis.call('ZSCORE', DEADLINES, entry) then return { 'QUEUED', { position(), lives_ms() } } end
return { 'UNKNOWN', {} }
