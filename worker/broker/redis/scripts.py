"""The Redis scripts that move a message, each atomically.

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
BRING_BACK = f"""{_NOW}
for _, tag in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[1])) do
    local kept = redis.call('HGET', KEYS[1], tag)
    if kept then
        local at = string.find(kept, '\\n', 1, true)
        redis.call('HDEL', KEYS[1], '')
        redis.call('RPUSH', string.sub(kept, 1, at - 1), string.sub(kept, at + 1))
    end
    redis.call('HDEL', KEYS[1], tag)
    redis.call('ZREM', KEYS[2], tag)
end
"""
