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

-- The budgets on some scopes as a reserve would find them. Writes nothing.
local request = cmsgpack.unpack(ARGV[1])

local function look()
  local units = {}
  for _, unit in ipairs(request.units) do
    units[unit] = true
  end
  local list = budgets.ensure((budgets.names(request.scopes, units)))
  room.settle(list)
  return {balances = balances.list(list)}, {names = balances.names(list)}
end

return books.look(look)
