-- Takes jobs in. ARGV from 3: for each its id, not-before time, tenant, queue, kind, attempts_max, losses_max, unique, payload.
-- Answers for each {word, detail}.
local function stage_of(id)
    if redis.call('ZSCORE', DELAYED, id) then return 'delayed' end
    if redis.call('ZSCORE', LEASES, id) then return 'leased' end
    if redis.call('ZSCORE', DEAD, id) then return 'dead' end
    return 'ready'
end

begin_growing()
local outcomes = {}
local known = redis.call('HLEN', JOBS)
for at = 3, #ARGV, 9 do
    local id, not_before_ms, tenant, queue, kind, unique =
        ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 7]
    local field = unique ~= '' and (tenant .. '|' .. kind .. '|' .. unique) or nil
    local outcome
    if redis.call('HEXISTS', JOBS, id) == 1 then
        outcome = { 'KNOWN', stage_of(id) }
    elseif field and redis.call('HGET', UNIQUE, field) then
        outcome = { 'NOT_UNIQUE', redis.call('HGET', UNIQUE, field) }
    elseif known >= JOBS_MAX then
        outcome = { 'FULL', '' }
    else
        if field then redis.call('HSET', UNIQUE, field, id) end
        local record = { text(now), tenant, queue, kind, ARGV[at + 5], ARGV[at + 6], unique, ARGV[at + 8] }
        redis.call('HSET', JOBS, id, table.concat(record, '|'))
        known = known + 1
        if now < not_before_ms then
            redis.call('ZADD', DELAYED, text(not_before_ms), id)
            outcome = { 'NEW', 'delayed' }
        else
            make_ready(id, { tenant = tenant, queue = queue })
            outcome = { 'NEW', 'ready' }
        end
    end
    outcomes[#outcomes + 1] = outcome
end
call_waiters()
return outcomes
