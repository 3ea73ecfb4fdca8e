-- A waiter leaves. ARGV[6]: what to do with a grant that came meanwhile, 'KEEP' or 'RETURN'.
local owner, fence, since = holder()
if owner == token then
    if ARGV[6] == 'KEEP' then
        hold(token, fence, since, ttl_ms, ttl_ms)
        return { 'GRANTED', { fence } }
    end
    local _, run = hand_over()
    if run then return { 'RELEASED_EPOCH:' .. run, { 0 } } end
    return { 'LEFT', { 0, 0 } }
end
local before = position()
leave(entry)
return { 'LEFT', { before, lives_ms() } }
