-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/tenancy.lua
-- include: lib/accounts.lua
-- include: lib/balances.lua
-- include: lib/allocation.lua
-- include: lib/rolling.lua
-- include: lib/holds.lua
-- include: lib/arrears.lua
-- include: lib/room.lua
-- include: lib/settlement.lua
-- include: lib/ending.lua

-- Charge what a call cost and give the rest back.
local request = cmsgpack.unpack(ARGV[1])

local function commit()
  local hold = holds.get(request.id)
  local first, beside = ending.replay(hold, 'COMMITTED', request)
  if first then
    return first, beside
  end
  tenancy.check_lasting(hold)
  ending.check_open(hold, 'commit')
  holds.check_units(hold, request.actual, true)
  local actual = {}
  for place, pair in ipairs(request.actual) do
    actual[place] = {pair[1], amount.read(pair[2])}
  end
  return ending.charge(hold, actual, request)
end

return books.change(commit)
