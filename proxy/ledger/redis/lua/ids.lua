-- include: lib/clock.lua
-- include: lib/books.lua

-- The ids of the holds that are open; or, newest first, those of holds and events of whatever
-- state, from the entry before `before` on: a page of entries is read, and the answer says
-- with which the next begins.
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

local function fields_of(flat)
  local fields = {}
  for place = 1, #flat, 2 do
    fields[flat[place]] = flat[place + 1]
  end
  return fields
end

local function newest()
  local start = request.before and string.format('(%.0f-0', request.before) or '+'
  local entries = redis.call('XREVRANGE', books.key('journal'), start, '-', 'COUNT', request.page)
  local ids = {}
  for _, entry in ipairs(entries) do
    local fields = fields_of(entry[2])
    if fields.kind == 'reserve' or fields.kind == 'event' then
      ids[#ids + 1] = fields.rid
    end
  end
  local last = entries[#entries]
  local next_before = #entries == request.page and string.match(last[1], '^%d+') or nil
  return {ids = ids, next_before = next_before and tonumber(next_before)}
end

return books.look(request.open and open_ones or newest)
