"""The Redis scripts that move messages, each atomically.

The commands of a script are not undone if a later one is refused. So a message is stored before it
is popped: a missing right loses none. And the first write is one that frees memory (HDEL, of
nothing): after it Redis admits the others even at `maxmemory`, so that a full one can be drained.
"""

_NOW = "local clock = redis.call('TIME') local now = clock[1] + clock[2] / 1000000 "
TAKE = f"""{_NOW}
local kept, times = KEYS[#KEYS - 1], KEYS[#KEYS]
for at = 1, #KEYS - 2 do
    local message = redis.call('LINDEX', KEYS[at], -1)
    if message then
        redis.call('HDEL', kept, ARGV[1])
        redis.call('HSET', kept, ARGV[1], KEYS[at] .. '\\n' .. message)
        redis.call('ZADD', times, now, ARGV[1])
        local gone = redis.pcall('RPOP', KEYS[at])
        if type(gone) == 'table' and gone.err then
            redis.call('HDEL', kept, ARGV[1])
            redis.call('ZREM', times, ARGV[1])
            return gone
        end
        return {{KEYS[at], message}}
    end
end
return false
"""
# kombu stores [message, exchange, routing key]: built here, the message is not sent back to Redis
NOTE = f"""{_NOW}
local kept = redis.call('HGET', KEYS[3], ARGV[2])
if kept then
    local message = string.sub(kept, string.find(kept, '\\n', 1, true) + 1)
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('HSET', KEYS[1], ARGV[1], '[' .. message .. ',' .. ARGV[3] .. ']')
    redis.call('ZADD', KEYS[2], now, ARGV[1])
    redis.call('HDEL', KEYS[3], ARGV[2])
    redis.call('ZREM', KEYS[4], ARGV[2])
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
