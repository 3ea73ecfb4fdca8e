-- Starts the holder's lifetime anew.
local owner, fence, since = holder()
if not owner then return { 'EXPIRED', {} } end
if owner ~= token then return { 'NOT_OWNER', {} } end
hold(token, fence, since, ttl_ms, ttl_ms)
return { 'RENEWED', {} }
