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

-- Hold the first rung that fits in every budgeted scope, or nothing.
local request = cmsgpack.unpack(ARGV[1])

local function beside(hold, expires_ms, names)
  return {
    id = hold.id,
    scope = hold.scope,
    left_ms = holds.left_ms(hold, expires_ms),
    names = names,
  }
end

local function first_answer()
  local hold = rows.find_by_key(request)
  if not hold then
    return nil
  end
  if hold.made.is_event then
    books.refuse({code = 'MISMATCH'})
  end
  local granted = cmsgpack.unpack(redis.call('HGET', books.row_key(hold.id), 'granted'))
  return granted, beside(hold, granted.expires_ms, balances.names_of(granted.balances))
end

local function reserve()
  local first, beside_first = first_answer()
  if first then
    return first, beside_first
  end
  local list, rung, amounts = fitting.find(request)
  local hold, granted = rows.hold(request, rung, amounts, list)
  return granted, beside(hold, hold.stands.expires_ms, balances.names(list))
end

return books.change(reserve)
