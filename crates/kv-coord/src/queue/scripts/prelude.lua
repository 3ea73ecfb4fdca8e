-- What all queue scripts share; they follow state.rs step by step. Rust puts the bounds before it and one script's body behind it.
-- A job's record is enqueued_ms|tenant|queue|kind|attempts_max|losses_max|unique|payload; only the payload may hold a bar.
local LISTS = { high = KEYS[1], default = KEYS[2], low = KEYS[3] }
local ORDER = { high = KEYS[4], default = KEYS[5], low = KEYS[6] }
local SINCE = { high = KEYS[7], default = KEYS[8], low = KEYS[9] }
local JOBS, TRIES, SLOTS, NEWEST, UNIQUE = KEYS[10], KEYS[11], KEYS[12], KEYS[13], KEYS[14]
local DELAYED, LEASES, TOKENS, DEAD, REASONS, META = KEYS[15], KEYS[16], KEYS[17], KEYS[18], KEYS[19], KEYS[20]
local SEQ, EPOCH = KEYS[21], KEYS[22]
local CHANNEL, floor = ARGV[1], tonumber(ARGV[2])
local COUNTER_SPAN = 2 ^ COUNTER_BITS
local QUEUES = { 'high', 'default', 'low' }

-- Plain concatenation would turn large numbers into 1e+15.
local function text(number) return string.format('%.0f', number) end

local function clock_ms()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local now = clock_ms()

-- How many jobs became ready in this call.
local calls = 0

-- A server without memory refuses a script at its first write, if that needs some, and no command behind a first write: so
-- nothing is left half done. What makes a queue longer begins with this and is refused.
local function begin_growing() redis.call('HSETNX', META, 'turn', '0') end
-- What works a queue off begins with this write that needs no memory, so that a full server can be emptied.
local function begin() redis.call('HDEL', META, '') end

-- Tells those who wait; the last thing a script does.
local function call_waiters()
    if calls > 0 then redis.call('PUBLISH', CHANNEL, text(calls)) end
end

local function job_of(id)
    local record = redis.call('HGET', JOBS, id)
    if not record then return nil end
    local tenant, queue, kind, attempts_max, losses_max, unique =
        string.match(record, '^%d+|(%d+)|(%a+)|([^|]+)|(%d+)|(%d+)|([^|]*)|')
    if not LISTS[queue] then return nil end
    return {
        record = record, tenant = tenant, queue = queue, kind = kind,
        attempts_max = tonumber(attempts_max), losses_max = tonumber(losses_max),
        unique = unique ~= '' and (tenant .. '|' .. kind .. '|' .. unique) or nil,
    }
end

local function tries_of(id)
    local attempts, losses = string.match(redis.call('HGET', TRIES, id) or '', '^(%d+)|(%d+)$')
    return tonumber(attempts) or 0, tonumber(losses) or 0
end

local function set_tries(id, attempts, losses)
    redis.call('HSET', TRIES, id, text(attempts) .. '|' .. text(losses))
end

-- The public list is an array without order: each job knows its place in it, and the last one moves into a gap. So any job
-- can be taken out without looking for it. The order in which jobs leave is that of ORDER.
local function list_push(queue, id)
    local length = redis.call('RPUSH', LISTS[queue], id)
    redis.call('HSET', SLOTS, id, text(length - 1))
end

-- Makes the list anew after somebody else had his hands in it.
local function mend(queue)
    local ids = redis.call('ZRANGE', ORDER[queue], 0, -1)
    redis.call('DEL', LISTS[queue])
    for _, id in ipairs(ids) do list_push(queue, id) end
end

local function list_remove(queue, id)
    local slot = redis.call('HGET', SLOTS, id)
    redis.call('HDEL', SLOTS, id)
    if not slot or redis.call('LINDEX', LISTS[queue], slot) ~= id then
        -- ORDER does not hold the job any more, so neither will the list.
        mend(queue)
        return
    end
    local last = redis.call('RPOP', LISTS[queue])
    if last ~= id then
        if redis.call('HGET', SLOTS, last) ~= text(redis.call('LLEN', LISTS[queue])) then
            -- It does not belong where it stood.
            mend(queue)
            return
        end
        redis.call('LSET', LISTS[queue], slot, last)
        redis.call('HSET', SLOTS, last, slot)
    end
end

local function check_lists()
    for _, queue in ipairs(QUEUES) do
        local kind = redis.call('TYPE', LISTS[queue]).ok
        if kind ~= 'list' and kind ~= 'none' then redis.call('DEL', LISTS[queue]) end
        if redis.call('LLEN', LISTS[queue]) ~= redis.call('ZCARD', ORDER[queue]) then mend(queue) end
    end
end

local function served(queue) return tonumber(redis.call('HGET', META, 'served:' .. queue)) or 0 end

-- Stands a job where it was.
local function stand(id, job, number)
    redis.call('ZADD', ORDER[job.queue], text(number), id)
    redis.call('ZADD', SINCE[job.queue], text(now), id)
    list_push(job.queue, id)
    calls = calls + 1
end

-- Stands a job behind its tenant's others.
local function make_ready(id, job)
    local whose = job.queue .. '|' .. job.tenant
    local newest = tonumber(redis.call('HGET', NEWEST, whose)) or 0
    local number = math.max(newest, served(job.queue)) + 1
    redis.call('HSET', NEWEST, whose, text(number))
    stand(id, job, number)
end

local function forget(id)
    redis.call('HDEL', JOBS, id)
    redis.call('HDEL', TRIES, id)
    redis.call('HDEL', REASONS, id)
end

local function drop_lease(id)
    redis.call('ZREM', LEASES, id)
    redis.call('HDEL', TOKENS, id)
end

local function free_unique(id, job)
    if job.unique and redis.call('HGET', UNIQUE, job.unique) == id then redis.call('HDEL', UNIQUE, job.unique) end
end

local function bury(id, job, reason)
    free_unique(id, job)
    redis.call('ZADD', DEAD, text(now), id)
    redis.call('HSET', REASONS, id, reason)
    if redis.call('ZCARD', DEAD) > DEAD_MAX then forget(redis.call('ZPOPMIN', DEAD)[1]) end
end

-- A lease ended without a word.
local function lose(id, job)
    local attempts, losses = tries_of(id)
    losses = losses + 1
    set_tries(id, attempts, losses)
    if losses >= job.losses_max or attempts >= job.attempts_max then
        bury(id, job, text(losses) .. ' of ' .. text(attempts) .. ' attempts ended with their lease')
    else
        make_ready(id, job)
    end
end

local function due(key, at)
    return redis.call('ZRANGEBYSCORE', key, '-inf', text(at), 'LIMIT', 0, SETTLE_MAX)
end

-- Moves the jobs whose time has come and those whose lease is over, some of them if there are many.
local function settle()
    for _, id in ipairs(due(DELAYED, now)) do
        redis.call('ZREM', DELAYED, id)
        local job = job_of(id)
        if job then make_ready(id, job) end
    end
    for _, id in ipairs(due(LEASES, now)) do
        drop_lease(id)
        local job = job_of(id)
        if job then lose(id, job) end
    end
    for _, id in ipairs(due(DEAD, now - DEAD_KEEP_MS)) do
        redis.call('ZREM', DEAD, id)
        forget(id)
    end
end

-- The number under which a lease's job stands in line, or nil when this token does not hold the job or not any more.
local function held(id, token, at)
    local fence, number = string.match(redis.call('HGET', TOKENS, id) or '', '^(%d+)|(%d+)$')
    if fence ~= token then return nil end
    local until_ms = tonumber(redis.call('ZSCORE', LEASES, id))
    if not until_ms or until_ms <= at then return nil end
    return tonumber(number)
end
