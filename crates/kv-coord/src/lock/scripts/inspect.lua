-- The lock as it stands; changes nothing.
local owner, fence, since = holder()
if not owner then return { 'FREE', {} } end
return { 'HELD', { fence, math.max(now - since, 0), lives_ms(), waiters() } }
