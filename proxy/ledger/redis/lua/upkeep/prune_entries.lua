-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/holds.lua

-- Let go of entries up to one, which is at a checkpoint or before it, and of the seals that end
-- before it. `checkpoint` is kept the first time.
local request = cmsgpack.unpack(ARGV[1])

local function prune()
  local first = string.format('%.0f-0', request.last_seq + 1)
  if request.checkpoint then
    books.later('HSET', books.key('checkpoints'), 'pruned', request.checkpoint)
  end
  books.later('XTRIM', books.key('journal'), 'MINID', first)
  books.later('XTRIM', books.key('seals'), 'MINID', string.format('%.0f-0', request.last_seq))
  return {went = request.last_seq - request.first_seq + 1}
end

return books.tidy(prune)
