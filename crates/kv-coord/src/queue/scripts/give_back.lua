-- The job was not worked on: to the front, and this was no attempt. ARGV: 3 id, 4 token.
begin()
local id = ARGV[3]
local number = held(id, ARGV[4], now)
local job = number and job_of(id)
if not job then return { 'LOST', 0 } end
drop_lease(id)
local attempts, losses = tries_of(id)
set_tries(id, attempts - 1, losses)
stand(id, job, number)
call_waiters()
return { 'READY', 0 }
