-- The most recent dead letters: for each {id, died_ms, attempts, reason, record}.
local letters = {}
local newest = redis.call('ZRANGE', DEAD, 0, SHOW_MAX - 1, 'REV', 'WITHSCORES')
for at = 1, #newest, 2 do
    local id, job = newest[at], job_of(newest[at])
    if job then
        local attempts = tries_of(id)
        letters[#letters + 1] =
            { id, newest[at + 1], text(attempts), redis.call('HGET', REASONS, id) or '', job.record }
    end
end
return letters
