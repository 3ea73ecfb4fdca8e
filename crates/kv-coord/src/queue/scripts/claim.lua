-- Hands out up to ARGV[3] jobs for ARGV[4] ms. Answers {word, ms until the next may be had or -1, jobs}, each job
-- {id, fence, attempt, losses, deadline, record}; 'EPOCH:<run id>' means: install a higher epoch and ask again.
local count, ttl_ms = tonumber(ARGV[3]), tonumber(ARGV[4])

-- The epoch, if it belongs to this incarnation of Redis, has numbers left and is not below what the caller has seen.
local function epoch()
    local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
    local of_run, number = string.match(redis.call('GET', EPOCH) or '', '^(%x+)|(%d+)$')
    local last = redis.call('GET', SEQ)
    number = tonumber(number)
    if of_run ~= run or not last or number < floor or tonumber(last) + count >= COUNTER_SPAN then
        return nil, run
    end
    return number, run
end

local is_paused = {}
for _, queue in ipairs(QUEUES) do is_paused[queue] = redis.call('HEXISTS', META, 'paused:' .. queue) == 1 end

-- In which order the queues are looked into for the job with this number; turn.rs says why.
local function order_of(turn)
    if turn % LOW_FIRST_EVERY == 0 then return { 'low', 'high', 'default' } end
    if turn % DEFAULT_FIRST_EVERY == 0 then return { 'default', 'high', 'low' } end
    return QUEUES
end

local turn = tonumber(redis.call('HGET', META, 'turn')) or 0
local function next_line()
    for _, queue in ipairs(order_of(turn + 1)) do
        if not is_paused[queue] and redis.call('ZCARD', ORDER[queue]) > 0 then return queue end
    end
    return nil
end

local function hand_out(queue, fence)
    local popped = redis.call('ZPOPMIN', ORDER[queue])
    local id, number = popped[1], tonumber(popped[2])
    redis.call('ZREM', SINCE[queue], id)
    list_remove(queue, id)
    local job = job_of(id)
    if number > served(queue) then redis.call('HSET', META, 'served:' .. queue, text(number)) end
    -- Without its record it is no job; somebody deleted that.
    if not job then return nil end
    local whose = queue .. '|' .. job.tenant
    local newest = tonumber(redis.call('HGET', NEWEST, whose))
    if newest and newest <= served(queue) then redis.call('HDEL', NEWEST, whose) end
    local attempts, losses = tries_of(id)
    set_tries(id, attempts + 1, losses)
    redis.call('ZADD', LEASES, text(now + ttl_ms), id)
    redis.call('HSET', TOKENS, id, text(fence) .. '|' .. text(number))
    return { id, text(fence), text(attempts + 1), text(losses), text(now + ttl_ms), job.record }
end

begin()
check_lists()
settle()
local jobs = {}
if next_line() then
    local number, run = epoch()
    if not number then
        call_waiters()
        return { 'EPOCH:' .. run, -1, {} }
    end
    for _ = 1, count do
        local queue = next_line()
        if not queue then break end
        jobs[#jobs + 1] = hand_out(queue, number * COUNTER_SPAN + redis.call('INCR', SEQ))
        turn = turn + 1
    end
    redis.call('HSET', META, 'turn', text(turn))
end
local next_ms = -1
if next_line() then
    next_ms = 0
else
    for _, key in ipairs({ DELAYED, LEASES }) do
        local at = tonumber(redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
        if at and (next_ms < 0 or at - now < next_ms) then next_ms = math.max(at - now, 0) end
    end
end
-- Whoever claims needs not be called for what it has.
calls = math.max(0, calls - #jobs)
call_waiters()
return { 'CLAIMED', next_ms, jobs }
