-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/holds.lua

-- Let go of the first answers to operators from before a time; for a day they are given again.
local request = cmsgpack.unpack(ARGV[1])

local DAY_MS = 86400000

local function prune()
  local before_ms = math.min(request.before_ms, books.now_ms - DAY_MS)
  local range = {'-inf', string.format('(%.0f', before_ms), 'LIMIT', 0, request.limit}
  local keys = redis.call('ZRANGEBYSCORE', books.key('funded'), unpack(range))
  for _, key in ipairs(keys) do
    books.later('DEL', books.key('f:' .. key))
    books.later('ZREM', books.key('funded'), key)
  end
  return {went = #keys, is_done = true}
end

return books.tidy(prune)
