-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/tenancy.lua
-- include: lib/keys.lua
-- include: lib/accounts.lua
-- include: lib/balances.lua
-- include: lib/admission.lua
-- include: lib/allocation.lua
-- include: lib/windows.lua
-- include: lib/rolling.lua
-- include: lib/templates.lua
-- include: lib/budgets.lua
-- include: lib/making.lua
-- include: lib/holds.lua
-- include: lib/arrears.lua
-- include: lib/room.lua
-- include: lib/rows.lua
-- include: lib/fitting.lua

-- What a reserve would hold now, and what its budgets have without that. Writes nothing, and
-- does not look at the key.
local request = cmsgpack.unpack(ARGV[1])

local function decide()
  local list, rung, amounts = fitting.find(request)
  local forecast = {
    rung = rung,
    amounts = holds.texts(amounts),
    balances = balances.list(list),
  }
  return forecast, {names = balances.names(list)}
end

return books.look(decide)
