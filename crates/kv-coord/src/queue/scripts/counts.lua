-- How much there is of what: for each queue depth, age of the oldest or -1, paused; then delayed, leased, dead. Writes nothing.
local numbers = {}
for _, queue in ipairs(QUEUES) do
    local since = tonumber(redis.call('ZRANGE', SINCE[queue], 0, 0, 'WITHSCORES')[2])
    numbers[#numbers + 1] = redis.call('LLEN', LISTS[queue])
    numbers[#numbers + 1] = since and math.max(now - since, 0) or -1
    numbers[#numbers + 1] = redis.call('HEXISTS', META, 'paused:' .. queue)
end
for _, key in ipairs({ DELAYED, LEASES, DEAD }) do numbers[#numbers + 1] = redis.call('ZCARD', key) end
return numbers
