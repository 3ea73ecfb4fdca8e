-- Gives the lock back and hands it to the next in line.
local owner, _, since = holder()
if not owner then return { 'EXPIRED', {} } end
if owner ~= token then return { 'NOT_OWNER', {} } end
local fence, run = hand_over()
if run then return { 'RELEASED_EPOCH:' .. run, { 0 } } end
return { 'RELEASED', { fence or 0, math.max(now - since, 0) } }
