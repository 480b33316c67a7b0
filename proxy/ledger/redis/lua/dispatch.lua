-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/holds.lua

-- The request of a hold is about to leave.
local function dispatch()
  local hold = holds.get(ARGV[1])
  holds.move(hold, 'dispatch')
  if not hold.stands.dispatched then
    hold.stands.dispatched = true
    holds.change(hold)
    books.enter('dispatch', hold, {})
  end
end

return books.change(dispatch)
