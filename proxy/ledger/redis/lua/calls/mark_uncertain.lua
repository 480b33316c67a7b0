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

-- Nobody knows what became of a call.
local function mark_uncertain()
  ending.doubt(holds.get(ARGV[1]))
end

return books.change(mark_uncertain)
