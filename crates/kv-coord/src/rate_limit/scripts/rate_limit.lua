-- Decides all policies of one call together and records it in all of them or in none.
-- KEYS: one per policy. ARGV[1]: CHECK, PEEK or PENALISE; then per policy 'log' or 'count', its limit, its window in us.
-- Answers {now_us, and per policy: used before, used after, us until one is free, us until all are free}.
local action = ARGV[1]

-- Plain concatenation would turn large numbers into 1e+15.
local function text(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local policies = {}
for i, key in ipairs(KEYS) do
    local at = 2 + (i - 1) * 3
    policies[i] = { key = key, kind = ARGV[at], limit = tonumber(ARGV[at + 1]), window = tonumber(ARGV[at + 2]), now = now }
end

local function time_at(policy, index) return tonumber(redis.call('LINDEX', policy.key, index)) end

-- Forgets what has left the window; returns how many remain.
local function used(policy)
    if policy.kind == 'count' then return tonumber(redis.call('GET', policy.key) or '0') end
    local last = time_at(policy, -1)
    if last and last > now then
        -- The wall clock was set back. A little is bridged, so that the log stays in order; after a large step it would
        -- lock everybody out for as long, so the log begins anew.
        if last - now > policy.window then redis.call('DEL', policy.key) else policy.now = last end
    end
    while true do
        local first = time_at(policy, 0)
        if not first or first + policy.window > policy.now then break end
        redis.call('LPOP', policy.key)
    end
    return redis.call('LLEN', policy.key)
end

local function record(policy)
    -- Rounded up and a little more: a key that went early would forget calls still in the window.
    local lives_ms = math.ceil(policy.window / 1000)
    if policy.kind == 'count' then
        redis.call('INCR', policy.key)
        if redis.call('PTTL', policy.key) < 0 then redis.call('PEXPIRE', policy.key, lives_ms) end
        return
    end
    -- Only a penalty comes past the limit; it takes the place of the oldest.
    while redis.call('LLEN', policy.key) >= policy.limit do redis.call('LPOP', policy.key) end
    redis.call('RPUSH', policy.key, text(policy.now))
    redis.call('PEXPIRE', policy.key, lives_ms + 2)
end

local within = true
for _, policy in ipairs(policies) do
    policy.before = used(policy)
    if policy.before >= policy.limit then within = false end
end

local recorded = action == 'PENALISE' or (action == 'CHECK' and within)
local answer = { now }
for _, policy in ipairs(policies) do
    if recorded then record(policy) end
    local after, next_free, all_free = policy.before, 0, 0
    if policy.kind == 'count' then
        if recorded then after = after + 1 end
        next_free = math.max(redis.call('PTTL', policy.key), 0) * 1000
        all_free = next_free
    else
        after = redis.call('LLEN', policy.key)
        -- A limit lowered since leaves more in the log than it allows; then more than the oldest must go.
        local next_call = time_at(policy, math.max(after - policy.limit, 0))
        local last_call = time_at(policy, -1)
        if next_call then next_free = next_call + policy.window - policy.now end
        if last_call then all_free = last_call + policy.window - policy.now end
    end
    for _, number in ipairs({ policy.before, after, next_free, all_free }) do answer[#answer + 1] = number end
end
return answer
