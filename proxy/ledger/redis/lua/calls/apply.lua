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
-- include: lib/settlement.lua
-- include: lib/ending.lua
-- include: lib/rows.lua

-- Charge what was spent without a hold: a hold of nothing, committed at once.
local request = cmsgpack.unpack(ARGV[1])

local function first_answer()
  local hold = rows.find_by_key(request)
  if not hold then
    return nil
  end
  if not hold.made.is_event then
    books.refuse({code = 'MISMATCH'})
  end
  local settled = cmsgpack.unpack(redis.call('HGET', books.row_key(hold.id), 'settled'))
  return settled, {id = hold.id, names = balances.names_of(settled.balances)}
end

local function nothing()
  local amounts = {}
  for _, unit in ipairs(request.units) do
    amounts[unit] = amount.ZERO
  end
  return amounts
end

-- A frozen or a closed budget stops an event whose money can still be kept.
local function check_stopped(list)
  local spans = {}
  for _, pair in ipairs(request.actual) do
    local actual = amount.read(pair[2])
    spans[pair[1]] = {minimum = actual, want = actual}
  end
  admission.grant(list, {spans}, 100, rows.set_of(request.units), {})
end

local function charge(list)
  local actual = {}
  for place, pair in ipairs(request.actual) do
    actual[place] = {pair[1], amount.read(pair[2])}
  end
  return settlement.charge(list, nothing(), actual, {
    overage = request.overage,
    is_refusable = not request.is_spent,
    is_uncertain = false,
  })
end

local function row_of(list, charged, uncovered)
  local hold = rows.new(request, list)
  hold.made.is_event = true
  hold.amounts, hold.charged, hold.uncovered = nothing(), charged, uncovered
  hold.state = 'COMMITTED'
  hold.stands.expires_ms = books.now_ms
  hold.stands.finalized_ms = books.now_ms
  hold.stands.estimated = request.estimated or nil
  holds.add(hold, request)
  return hold
end

local function apply()
  local first, beside = first_answer()
  if first then
    return first, beside
  end
  if not request.is_spent then
    tenancy.check_new()
  end
  local list = budgets.ensure(rows.names(request, not request.is_spent))
  room.settle(list)
  if not request.is_spent then
    check_stopped(list)
  end
  local charged, uncovered, changes = charge(list)
  if not request.is_spent then
    budgets.check_templates()
  end
  local hold = row_of(list, charged, uncovered)
  accounts.enter('event', list, changes, hold)
  local settled = cmsgpack.pack(ending.answer(hold, nil, list, {}))
  holds.set(hold, 'settled', settled)
  room.owe(hold)
  room.repay(list)
  return settled, {id = hold.id, names = balances.names(list)}
end

return books.change(apply)
