-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/tenancy.lua
-- include: lib/accounts.lua
-- include: lib/balances.lua
-- include: lib/admission.lua
-- include: lib/allocation.lua
-- include: lib/rolling.lua
-- include: lib/holds.lua
-- include: lib/arrears.lua
-- include: lib/room.lua

-- Raise a hold in all its windows, or in none.
local request = cmsgpack.unpack(ARGV[1])

local function beside(hold, granted, names)
  return {
    id = hold.id,
    scope = hold.scope,
    left_ms = holds.left_ms(hold, granted.expires_ms),
    names = names,
  }
end

local function more()
  local rung = {}
  for _, pair in ipairs(request.by) do
    local by = amount.read(pair[2])
    rung[pair[1]] = {minimum = by, want = by}
  end
  return rung
end

-- The budgets in the units that grow have to hold more.
local function check_room(hold, list, rung)
  local concerned = {}
  for _, account in ipairs(list) do
    if rung[account.unit] then
      concerned[#concerned + 1] = account
    end
  end
  admission.grant(concerned, {rung}, 100, {}, hold.amounts)
end

local function raise(hold, rung)
  for unit, span in pairs(rung) do
    hold.amounts[unit] = amount.plus(hold.amounts[unit], span.want)
    if amount.less(amount.MAX, hold.amounts[unit]) then
      books.refuse({code = 'OUT_OF_RANGE', scope = hold.scope})
    end
  end
end

local function grow()
  local hold = holds.get(request.id)
  local first = holds.replay(hold, 'grow', request.key, request.payload)
  if first then
    return first, beside(hold, first, balances.names_of(first.balances))
  end
  tenancy.check_new()
  holds.check_lease(hold, 'grow', holds.lapses_ms(hold))
  holds.check_units(hold, request.by, false)
  local list = accounts.standing(hold.made.windows)
  room.settle(list)
  local rung = more()
  check_room(hold, list, rung)
  raise(hold, rung)
  local changes = {}
  for unit in pairs(hold.amounts) do
    changes[unit] = {reserved = rung[unit] and rung[unit].want or nil}
  end
  accounts.enter_by_unit('grow', list, changes, hold)
  local granted = {
    payload = request.payload,
    rung = hold.made.rung,
    amounts = holds.texts(hold.amounts),
    expires_ms = hold.stands.expires_ms,
    balances = balances.list(list),
  }
  local packed = holds.keep_reply(hold, 'grow', request.key, granted)
  return packed, beside(hold, granted, balances.names(list))
end

return books.change(grow)
