-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/keys.lua
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
-- include: lib/rows.lua

-- A hold that a proxy has and the store does not know any more, after a failover: what was
-- granted is held once more, whether it fits or not. Its request has left, or may have.
local request = cmsgpack.unpack(ARGV[1])

local ACTOR = 'failover'

local function paid(names)
  local free = rows.set_of(request.free)
  local found = {}
  for _, name in ipairs(names) do
    if not free[name.unit] then
      found[#found + 1] = name
    end
  end
  return found
end

local function granted_amounts()
  local amounts = {}
  for unit, text in pairs(request.amounts) do
    amounts[unit] = amount.read(text)
  end
  return amounts
end

local function restore()
  if redis.call('EXISTS', books.row_key(request.id)) == 1 then
    return {is_restored = false}
  end
  local list = budgets.ensure(paid(rows.names(request, false)))
  room.settle(list)
  rows.hold(request, request.rung, granted_amounts(), list, ACTOR)
  return {is_restored = true}
end

return books.change(restore)
