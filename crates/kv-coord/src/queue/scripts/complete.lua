-- The work is done: forgets the job. ARGV: 3 id, 4 token.
-- Also after the deadline, until a claim has moved the job on: doing it again would be in vain.
local id = ARGV[3]
if not held(id, ARGV[4], 0) then return { 'LOST', 0 } end
drop_lease(id)
local job = job_of(id)
if job then free_unique(id, job) end
forget(id)
return { 'DONE', 0 }
