-- include: lib/lazily.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/keys.lua

-- The ids of rows: of the holds that are open, of the one that a key made, or a page of all, in
-- the order in which they were made. A page begins `beyond` the number of the last one, or with
-- what was made at `start_ms`, or at the end.
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

local function by_key()
  return {ids = {(keys.find(request.key))}}
end

-- How many rows were made before a time. The ledger's time never runs back.
local function count_before(at_ms)
  local low, high = 0, redis.call('ZCARD', books.key('rows'))
  while low < high do
    local middle = math.floor((low + high) / 2)
    local id = redis.call('ZRANGE', books.key('rows'), middle, middle)[1]
    local made = cmsgpack.unpack(redis.call('HGET', books.row_key(id), 'made'))
    if made.created_ms < at_ms then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

-- The number that a page begins with, as a range has it; nil where there is none.
local function start()
  if request.beyond then
    return string.format('(%.0f', request.beyond)
  end
  if not request.start_ms then
    return request.is_descending and '+inf' or '-inf'
  end
  local place
  if request.is_descending then
    place = count_before(request.start_ms + 1) - 1
  else
    place = count_before(request.start_ms)
  end
  return place >= 0 and redis.call('ZRANGE', books.key('rows'), place, place, 'WITHSCORES')[2]
end

local function a_page()
  local first = start()
  if not first then
    return {ids = {}}
  end
  local range = {first, request.is_descending and '-inf' or '+inf'}
  local command = request.is_descending and 'ZREVRANGEBYSCORE' or 'ZRANGEBYSCORE'
  local limit = {'WITHSCORES', 'LIMIT', 0, request.page}
  local found = redis.call(command, books.key('rows'), range[1], range[2], unpack(limit))
  local ids = {}
  for place = 1, #found, 2 do
    ids[#ids + 1] = found[place]
  end
  return {ids = ids, next_beyond = #ids == request.page and tonumber(found[#found]) or nil}
end

return books.look(request.open and open_ones or request.key and by_key or a_page)
