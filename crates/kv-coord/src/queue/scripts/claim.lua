-- Hands out up to ARGV[3] jobs of the queues named in ARGV[5] for ARGV[4] ms. Under KEYS[23], if it is there, the answer is
-- remembered as that of claim ARGV[6]: who has not heard it asks once more under the same number. Answers {word, ms until the next may be had or -1, jobs}, each job
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
for _, queue in ipairs(QUEUES) do
    is_paused[queue] = redis.call('HEXISTS', META, 'paused:' .. queue) == 1 or not string.find(ARGV[5], queue, 1, true)
end

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
    -- Without a record that can be read it is no job; whoever has the truth about it pushes it again.
    if not job then
        forget(id)
        return nil
    end
    local whose = queue .. '|' .. job.tenant
    local newest = tonumber(redis.call('HGET', NEWEST, whose))
    if newest and newest <= served(queue) then redis.call('HDEL', NEWEST, whose) end
    local attempts, losses = tries_of(id)
    set_tries(id, attempts + 1, losses)
    redis.call('ZADD', LEASES, text(now + ttl_ms), id)
    redis.call('HSET', TOKENS, id, text(fence) .. '|' .. text(number))
    return { id, text(fence), text(attempts + 1), text(losses), text(now + ttl_ms), job.record }
end

-- The jobs of the claim with this number that are still in its hands, if its answer is remembered.
local function answered_before()
    local last = KEYS[23] and redis.call('GET', KEYS[23])
    local of, answer = string.match(last or '', '^(%d+)|(.*)$')
    if of ~= ARGV[6] then return nil end
    local jobs = {}
    for id, fence in string.gmatch(answer, '([^ ;]+) (%d+);') do
        local job = held(id, fence, now) and job_of(id)
        if job then
            local attempts, losses = tries_of(id)
            local until_ms = tonumber(redis.call('ZSCORE', LEASES, id))
            jobs[#jobs + 1] = { id, fence, text(attempts), text(losses), text(until_ms), job.record }
        end
    end
    return jobs
end

begin()
check_lists()
settle()
local before = answered_before()
if before and #before > 0 then
    call_waiters()
    return { 'CLAIMED', 0, before }
end
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
    if KEYS[23] then
        local answer = ARGV[6] .. '|'
        for _, row in ipairs(jobs) do answer = answer .. row[1] .. ' ' .. row[2] .. ';' end
        redis.call('SET', KEYS[23], answer, 'PX', text(ttl_ms))
    end
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
