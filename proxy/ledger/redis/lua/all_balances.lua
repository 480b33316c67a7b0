-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/accounts.lua
-- include: lib/admission.lua
-- include: lib/allocation.lua
-- include: lib/windows.lua
-- include: lib/rolling.lua
-- include: lib/templates.lua
-- include: lib/budgets.lua
-- include: lib/holds.lua
-- include: lib/arrears.lua

-- Every budget's current window. Writes nothing.
local function look()
  local list = budgets.ensure(budgets.every())
  arrears.settle(list)
  return accounts.balances(list)
end

return books.look(look)
