-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/keys.lua
-- include: lib/holds.lua

-- Keep the answer to a question that changed nothing; the first one stays.
local request = cmsgpack.unpack(ARGV[1])

local function remember()
  local text = keys.recall(request.key, request.payload)
  if not text then
    text = request.text
    keys.remember(request.key, request.payload, text, books.now_ms + request.keep_ms)
  end
  return {text = text}
end

return books.change(remember)
