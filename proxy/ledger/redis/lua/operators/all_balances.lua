-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/accounts.lua
-- include: lib/balances.lua
-- include: lib/allocation.lua
-- include: lib/windows.lua
-- include: lib/rolling.lua
-- include: lib/templates.lua
-- include: lib/budgets.lua
-- include: lib/making.lua
-- include: lib/holds.lua
-- include: lib/arrears.lua
-- include: lib/room.lua

-- Every budget's current window. Writes nothing.
local function look()
  local list = budgets.ensure(budgets.every())
  room.settle(list)
  return {balances = balances.list(list)}, {names = balances.names(list)}
end

return books.look(look)
