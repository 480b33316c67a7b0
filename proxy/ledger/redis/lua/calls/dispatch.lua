-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/holds.lua

-- The request of a hold is about to leave. Of the row only that is read which tells whether it
-- may; after a leap of the clock all of it, so that the lease is longer.
local id = ARGV[1]

local function find()
  if books.head.leap_ms > 0 then
    return holds.get(id)
  end
  local found = redis.call('HMGET', books.row_key(id), 'state', 'dispatched', 'about')
  if not found[1] then
    books.refuse({code = 'NOT_FOUND'})
  end
  local about = cmsgpack.unpack(found[3])
  return {
    id = id,
    state = found[1],
    dispatched = found[2] == '1',
    scope = about[1],
    trace_id = about[2],
    price_version = about[3],
  }
end

local function dispatch()
  local hold = find()
  holds.move(hold, 'dispatch')
  if not hold.dispatched then
    books.later('HSET', books.row_key(id), 'dispatched', '1')
    books.enter('dispatch', hold, {})
  end
end

return books.change(dispatch)
