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

-- Bring what an ended hold has paid up to what its call cost.
local request = cmsgpack.unpack(ARGV[1])

local function check(hold)
  if hold.state == 'ACTIVE' and books.now_ms > holds.lapses_ms(hold) then
    ending.give_back(hold, 'expire', {})
  end
  local state = holds.move(hold, 'charge_late')
  if state == 'COMMITTED' and not hold.stands.estimated then
    books.refuse({code = 'FINALIZED', state = state})
  end
  holds.check_units(hold, request.actual, true)
end

-- What the actual has beyond what was paid; and whether some unit was paid above it.
local function lacking(hold)
  local missing = {}
  local is_above = false
  for place, pair in ipairs(request.actual) do
    local unit, actual = pair[1], amount.read(pair[2])
    local paid = amount.plus(hold.charged[unit], hold.uncovered[unit])
    is_above = is_above or amount.less(actual, paid)
    missing[place] = {unit, amount.max(amount.minus(actual, paid), amount.ZERO)}
  end
  return missing, is_above
end

local function charge_missing(hold, list)
  local missing, is_above = lacking(hold)
  local held = {}
  for unit in pairs(hold.amounts) do
    held[unit] = amount.ZERO
  end
  local charged, uncovered, changes = settlement.charge(list, held, missing, {
    overage = hold.made.overage,
    is_refusable = false,
    is_uncertain = false,
  })
  accounts.enter('charge_late', list, changes, hold)
  for unit in pairs(hold.amounts) do
    hold.charged[unit] = amount.plus(hold.charged[unit], charged[unit])
    hold.uncovered[unit] = amount.plus(hold.uncovered[unit], uncovered[unit])
  end
  hold.stands.estimated = request.estimated or is_above or nil
end

local function charge_late()
  local hold = holds.get(request.id)
  local first = holds.replay(hold, 'charge_late', request.key, request.payload)
  if first then
    return first, {names = balances.names_of(first.balances)}
  end
  check(hold)
  local list = accounts.standing(hold.made.windows)
  room.settle(list)
  charge_missing(hold, list)
  local answer = ending.answer(hold, nil, list, request)
  local packed = holds.keep_reply(hold, 'charge_late', request.key, answer)
  room.owe(hold)
  room.repay(list)
  return packed, {names = balances.names(list)}
end

return books.change(charge_late)
