-- What all lock scripts share. Rust puts COUNTER_BITS before it and one script's body behind it.
-- A waiter's entry is token|channel|ttl_ms, the same text in the line and among the deadlines.
-- All scripts answer {word, {numbers}}; 'EPOCH:<run id>' means: install a higher epoch and ask again.
local LOCK, LINE, DEADLINES, SEQ, EPOCH = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local floor, claim_ms, token, entry, ttl_ms =
    tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local COUNTER_SPAN = 2 ^ COUNTER_BITS
-- No call looks at more waiters than this, so none keeps Redis busy for long.
local MAX_STEPS = 32

-- Plain concatenation would turn large numbers into 1e+15.
local function text(number) return string.format('%.0f', number) end

local function clock_ms()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local now = clock_ms()

-- The holder's token, fence and begin; nil when the lock is free. A value written by hand counts as an unknown holder.
local function holder()
    local value = redis.call('GET', LOCK)
    if not value then return nil end
    local owner, fence, since = string.match(value, '^(%x+)|(%d+)|(%d+)|%d+$')
    return owner or '?', tonumber(fence) or 0, tonumber(since) or now
end

local function hold(owner, fence, since, ttl, lives_ms)
    redis.call('SET', LOCK, owner .. '|' .. text(fence) .. '|' .. text(since) .. '|' .. text(ttl), 'PX', text(lives_ms))
end

-- The epoch, if it belongs to this incarnation of Redis, has numbers left and is not below what the caller has seen.
-- The run id is read here and not per connection: a proxy or a failover may put another server behind the same address.
local function epoch()
    local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
    local of_run, number = string.match(redis.call('GET', EPOCH) or '', '^(%x+)|(%d+)$')
    local last = redis.call('GET', SEQ)
    number = tonumber(number)
    if of_run ~= run or not last or number < floor or tonumber(last) + MAX_STEPS >= COUNTER_SPAN then
        return nil, run
    end
    return number, run
end

local function mint(number) return number * COUNTER_SPAN + redis.call('INCR', SEQ) end

local function leave(who)
    redis.call('LREM', LINE, 1, who)
    redis.call('ZREM', DEADLINES, who)
end

local function prune()
    local stale = redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', '(' .. text(now), 'LIMIT', 0, MAX_STEPS)
    for _, who in ipairs(stale) do leave(who) end
end

local function waiters() return redis.call('ZCARD', DEADLINES) end

local function position() return redis.call('LPOS', LINE, entry) or 0 end

-- Remaining lifetime; 0 when the lock is free, a year when it was written by hand without one.
local function lives_ms()
    local left = redis.call('PTTL', LOCK)
    if left == -1 then return 31536000000 end
    return math.max(left, 0)
end

-- Gives the lock, which must be free or the caller's to give, to the first waiter whose process listens.
-- Returns its fence, or nil and, when only a new epoch is missing, the run id. The lock is free if nobody got it.
local function hand_over()
    redis.call('DEL', LOCK)
    prune()
    if waiters() == 0 then return nil end
    local number, run = epoch()
    if not number then return nil, run end
    for _ = 1, MAX_STEPS do
        local next_entry = redis.call('LPOP', LINE)
        if not next_entry then return nil end
        -- One prune may leave some of the overdue in line; they are passed over here.
        local deadline = tonumber(redis.call('ZSCORE', DEADLINES, next_entry)) or 0
        redis.call('ZREM', DEADLINES, next_entry)
        local who, channel, ttl = string.match(next_entry, '^(%x+)|([^|]+)|(%d+)$')
        -- Nobody listens: that process is gone, or between two connections and will ask again.
        if who and now <= deadline and redis.call('PUBLISH', channel, who) > 0 then
            local fence = mint(number)
            hold(who, fence, now, tonumber(ttl), math.min(tonumber(ttl), claim_ms))
            return fence
        end
    end
    return nil
end
