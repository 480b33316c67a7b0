-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
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

local function read_plan()
  local plan = {}
  for number, spans in ipairs(request.plan) do
    local rung = {}
    for _, span in ipairs(spans) do
      rung[span[1]] = {minimum = amount.read(span[2]), want = amount.read(span[3])}
    end
    plan[number] = rung
  end
  return plan
end

-- In a unit that is free a budget holds nothing; it is made and read only when it refuses.
local function without_free(names, free)
  local paid = {}
  local is_stopped = false
  for _, name in ipairs(names) do
    if not free[name.unit] then
      paid[#paid + 1] = name
    elseif rows.is_stopped(name) then
      is_stopped = true
    end
  end
  return is_stopped and names or paid
end

local function reserve()
  local first, beside_first = first_answer()
  if first then
    return first, beside_first
  end
  local free = rows.set_of(request.free)
  local names = rows.names(request, #request.free == 0)
  local list = budgets.ensure(without_free(names, free))
  room.settle(list)
  local rung, amounts = admission.grant(list, read_plan(), request.max_share_pct, free, {})
  budgets.check_templates()
  local hold, granted = rows.hold(request, rung, amounts, list)
  return granted, beside(hold, hold.stands.expires_ms, balances.names(list))
end

return books.change(reserve)
