"""The Redis scripts that move messages, each atomically.

The commands of a script are not undone if a later one is refused. So a message is stored before it
is popped: a missing right loses none. And the first write is one that frees memory (HDEL, of
nothing): after it Redis admits the others even at `maxmemory`, so that a full one can be drained.
"""

_NOW = "local clock = redis.call('TIME') local now = clock[1] + clock[2] / 1000000 "
# From the queue of jobs (the first one that has a message) more than one may be taken: never more
# than a share of what waits, so that workers that are idle get some of it too.
TAKE = f"""{_NOW}
local kept, times = KEYS[#KEYS - 1], KEYS[#KEYS]
local function take(queue, name)
    local message = redis.call('LINDEX', queue, -1)
    redis.call('HDEL', kept, name)
    redis.call('HSET', kept, name, queue .. '\\n' .. message)
    redis.call('ZADD', times, now, name)
    local gone = redis.pcall('RPOP', queue)
    if type(gone) == 'table' and gone.err then
        redis.call('HDEL', kept, name)
        redis.call('ZREM', times, name)
        return nil, gone
    end
    return message
end
for at = 1, #KEYS - 2 do
    local queue = KEYS[at]
    local waiting = redis.call('LLEN', queue)
    if waiting > 0 then
        local most, room = 1, tonumber(ARGV[5])
        if queue == ARGV[2] then
            most = math.min(tonumber(ARGV[3]), math.ceil(waiting / tonumber(ARGV[4])))
        end
        local found = {{queue}}
        for place = 1, most do
            if place > 1 and room < #redis.call('LINDEX', queue, -1) then break end
            local message, refused = take(queue, ARGV[1] .. ':' .. place)
            if refused and place == 1 then return refused end
            if refused then break end
            found[place + 1] = message
            room = room - #message
        end
        return found
    end
end
return false
"""
# ARGV: of each message the name under which it was taken, and its address; without one it is given
# back, to where it was. kombu stores [message, exchange, routing key]: built here, the message is
# not sent back to Redis.
NOTE = f"""{_NOW}
for at = #ARGV - 1, 1, -2 do
    local name, address = ARGV[at], ARGV[at + 1]
    local kept = redis.call('HGET', KEYS[3], name)
    if kept then
        local mark = string.find(kept, '\\n', 1, true)
        local message = string.sub(kept, mark + 1)
        redis.call('HDEL', KEYS[1], name)
        if address == '' then
            local queue = string.sub(kept, 1, mark - 1)
            local put = redis.pcall('RPUSH', queue, message)
            if type(put) == 'table' and put.err then  -- a right that was not asked for before
                redis.call('LPUSH', queue, message)
            end
        else
            redis.call('HSET', KEYS[1], name, '[' .. message .. ',' .. address .. ']')
            redis.call('ZADD', KEYS[2], now, name)
        end
        redis.call('HDEL', KEYS[3], name)
        redis.call('ZREM', KEYS[4], name)
    end
end
"""
# a message is in the hands of a worker that lives if its name, "<worker>/<…>", says so; an older
# version's, and those of other Celery apps, bear no such name
KEEP_ALIVE = """
local alive, noted, taken, taken_at = unpack(KEYS)
if redis.call('EXPIRE', alive, ARGV[1]) == 0 then
    redis.call('SET', alive, '', 'EX', ARGV[1])
end
if redis.call('EXISTS', noted, taken_at) == 0 then
    return {}
end
local clock = redis.call('TIME')
local latest = clock[1] + clock[2] / 1000000 - ARGV[3]
local lives = {}
local function left_behind(times)
    local names, listed = {}, redis.call('ZRANGE', times, 0, -1, 'WITHSCORES')
    for at = 1, #listed, 2 do
        local worker = string.match(listed[at], '^(%x+)/')
        if worker and lives[worker] == nil then
            lives[worker] = redis.call('EXISTS', ARGV[2] .. worker) == 1
        end
        if worker and not lives[worker] or tonumber(listed[at + 1]) <= latest then
            table.insert(names, listed[at])
        end
    end
    return names
end
for _, name in ipairs(left_behind(taken_at)) do
    local kept = redis.call('HGET', taken, name)
    if kept then
        local at = string.find(kept, '\\n', 1, true)
        redis.call('RPUSH', string.sub(kept, 1, at - 1), string.sub(kept, at + 1))
    end
    redis.call('HDEL', taken, name)
    redis.call('ZREM', taken_at, name)
end
return left_behind(noted)
"""
