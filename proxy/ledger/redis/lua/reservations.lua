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
      local texts = redis.call('HMGET', books.row_key(id), 'call', 'settled_metadata')
      found[#found + 1] = {
        id = id,
        made = hold.made,
        stands = hold.stands,
        call = texts[1],
        settled_metadata = texts[2],
      }
    end
  end
  return found
end

return books.look(look)
