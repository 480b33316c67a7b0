-- include: lib/lazily.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/keys.lua

-- What was remembered under a key, if anything was. Writes nothing.
local request = cmsgpack.unpack(ARGV[1])

local function recall()
  return {text = keys.recall(request.key, request.payload) or false}
end

return books.look(recall)
