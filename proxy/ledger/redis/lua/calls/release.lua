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

-- Give a whole hold back.
local request = cmsgpack.unpack(ARGV[1])

local function release()
  local hold = holds.get(request.id)
  local first, beside = ending.replay(hold, 'RELEASED', request)
  if first then
    return first, beside
  end
  tenancy.check_lasting(hold)
  ending.check_open(hold, 'release')
  if holds.is_uncertain(hold) and request.actor == '' then
    books.refuse({code = 'ACTOR'})
  end
  return ending.give_back(hold, 'release', request, request.actor)
end

return books.change(release)
