-- The attempt failed, or was none. ARGV: 3 id, 4 token, 5 RETRY, PUT_OFF or POISON, 6 pause in ms, 7 reason.
local id, verdict, delay_ms, reason = ARGV[3], ARGV[5], tonumber(ARGV[6]), ARGV[7]
begin()
if not held(id, ARGV[4], now) then return { 'LOST', 0 } end
local job = job_of(id)
drop_lease(id)
if not job then return { 'LOST', 0 } end
if verdict == 'PUT_OFF' then
    local attempts, losses = tries_of(id)
    set_tries(id, attempts - 1, losses)
elseif verdict == 'POISON' or tries_of(id) >= job.attempts_max then
    bury(id, job, reason)
    return { 'DEAD', 0 }
end
if delay_ms == 0 then
    make_ready(id, job)
else
    redis.call('ZADD', DELAYED, text(now + delay_ms), id)
end
call_waiters()
return { 'RETRIED', 0 }
