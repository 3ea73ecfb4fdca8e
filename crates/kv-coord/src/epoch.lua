-- Installs an epoch for this incarnation of Redis, unless as high a one is in use. KEYS: counter, epoch. ARGV[1]: the number.
local SEQ, EPOCH, number = KEYS[1], KEYS[2], tonumber(ARGV[1])
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local of_run, stored = string.match(redis.call('GET', EPOCH) or '', '^(%x+)|(%d+)$')
stored = tonumber(stored) or 0
if stored >= number then
    -- Somebody drew later and installed earlier. Theirs serves if it is this incarnation's; else ours came too late.
    if of_run == run and redis.call('EXISTS', SEQ) == 1 then return { 'INSTALLED', { stored } } end
    return { 'STALE', { stored } }
end
-- First what needs no memory: a server that is full can then still be emptied.
redis.call('UNLINK', SEQ)
redis.call('SET', EPOCH, run .. '|' .. string.format('%.0f', number))
redis.call('SET', SEQ, '0')
return { 'INSTALLED', { number } }
