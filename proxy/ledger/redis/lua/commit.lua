-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
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
  local first = ending.replay(hold, 'COMMITTED', request.key, request.payload)
  if first then
    return {settlement = first}
  end
  ending.check_open(hold, 'commit')
  holds.check_units(hold, request.actual, true)
  local actual = {}
  for place, pair in ipairs(request.actual) do
    actual[place] = {pair[1], amount.read(pair[2])}
  end
  local settled = ending.charge(hold, actual, request)
  return {settlement = settled, open_ms = books.now_ms - hold.made.created_ms}
end

return books.change(commit)
