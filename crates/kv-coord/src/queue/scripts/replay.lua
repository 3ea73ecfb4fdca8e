-- Makes dead letters ready again, the oldest first. ARGV: 3 ONE or KIND, 4 the id or the kind. Answers {replayed, not unique}.
local replayed, not_unique = 0, 0

local function replay(id, job)
    local holder = job.unique and redis.call('HGET', UNIQUE, job.unique)
    if holder and holder ~= id then
        not_unique = not_unique + 1
        return
    end
    if job.unique then redis.call('HSET', UNIQUE, job.unique, id) end
    redis.call('ZREM', DEAD, id)
    redis.call('HDEL', TRIES, id)
    redis.call('HDEL', REASONS, id)
    make_ready(id, job)
    replayed = replayed + 1
end

begin_growing()
local ids = redis.call('ZRANGE', DEAD, 0, -1)
if ARGV[3] == 'ONE' then ids = redis.call('ZSCORE', DEAD, ARGV[4]) and { ARGV[4] } or {} end
for _, id in ipairs(ids) do
    if replayed >= REPLAY_MAX then break end
    local job = job_of(id)
    if job and (ARGV[3] == 'ONE' or job.kind == ARGV[4]) then replay(id, job) end
end
call_waiters()
return { replayed, not_unique }
