-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/holds.lua

-- The rows of these ids, as operators see them; those that are not there are left out.
local ids = cmsgpack.unpack(ARGV[1])

local function look()
  local found = {}
  for _, id in ipairs(ids) do
    local hold = holds.find(id)
    if hold then
      local fields = {'key', 'call', 'settled_metadata'}
      local texts = redis.call('HMGET', books.row_key(id), unpack(fields))
      found[#found + 1] = {
        id = id,
        state = hold.state,
        dispatched = hold.dispatched,
        scope = hold.scope,
        trace_id = hold.trace_id,
        price_version = hold.price_version,
        made = hold.made,
        stands = hold.stands,
        key = texts[1],
        call = texts[2],
        settled_metadata = texts[3],
      }
    end
  end
  return found
end

return books.look(look)
