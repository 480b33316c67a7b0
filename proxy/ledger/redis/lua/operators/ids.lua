-- include: lib/clock.lua
-- include: lib/books.lua

-- The ids of the holds that are open; or a page of those of all holds and events, newest first.
local request = cmsgpack.unpack(ARGV[1])

local function open_ones()
  local ids = {}
  for _, set in ipairs(request.open) do
    for _, id in ipairs(redis.call('ZRANGE', books.key(set), 0, -1)) do
      ids[#ids + 1] = id
    end
  end
  return {ids = ids}
end

local function newest()
  local before = request.before and string.format('(%.0f', request.before) or '+inf'
  local range = {before, '-inf', 'WITHSCORES', 'LIMIT', 0, request.page}
  local found = redis.call('ZREVRANGEBYSCORE', books.key('rows'), unpack(range))
  local ids = {}
  for place = 1, #found, 2 do
    ids[#ids + 1] = found[place]
  end
  local next_before = #ids == request.page and tonumber(found[#found]) or nil
  return {ids = ids, next_before = next_before}
end

return books.look(request.open and open_ones or newest)
