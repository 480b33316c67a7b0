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
-- include: lib/settlement.lua
-- include: lib/ending.lua

-- End leases that are over, then doubts that lasted too long, then budgets that nobody uses, then
-- answers that were remembered for long enough; at most `limit` in all, so that a run is short.
local request = cmsgpack.unpack(ARGV[1])

local swept = {
  expired = {},
  released = {},
  uncertain = {},
  committed = {},
  retired = {},
  looked = 0,
  forgotten = 0,
}

-- How many budgets that may be idle one run looks at.
local IDLE_MAX = 100

local function due(set, before, limit)
  if limit <= 0 then
    return {}
  end
  return redis.call('ZRANGEBYSCORE', books.key(set), '-inf', before, 'LIMIT', 0, limit)
end

local function end_lease(hold)
  if hold.made.on_expiry == 'release' then
    ending.give_back(hold, 'expire', {})
    return swept.expired
  end
  if hold.dispatched then
    ending.doubt(hold)
    return swept.uncertain
  end
  ending.give_back(hold, 'release', {})
  return swept.released
end

local function end_leases()
  local before = string.format('(%.0f', books.now_ms)
  for _, id in ipairs(due('active', before, request.limit)) do
    swept.looked = swept.looked + 1
    local hold = holds.find(id)
    if holds.lapses_ms(hold) < books.now_ms then
      local ended = end_lease(hold)
      ended[#ended + 1] = id
    end
  end
end

local function held(hold)
  local actual = {}
  for unit, value in pairs(hold.amounts) do
    actual[#actual + 1] = {unit, value}
  end
  return actual
end

local function end_doubts()
  if not request.settles_uncertain then
    return
  end
  local until_ms = string.format('%.0f', books.now_ms - request.uncertain_after_ms)
  for _, id in ipairs(due('uncertain', until_ms, request.limit - swept.looked)) do
    swept.looked = swept.looked + 1
    local hold = holds.find(id)
    ending.charge(hold, held(hold), {estimated = true}, 'settle.uncertain')
    swept.committed[#swept.committed + 1] = id
  end
end

-- When a budget may go, or is to be looked at again: whatever lets go of it is a use, and so is
-- what operators or configuration change of it.
local function due_ms(account)
  local terms = account.terms
  local used_ms = math.max(account.record.used_ms, terms.used_ms or 0)
  local is_engaged = accounts.owes(account) or terms.past
  if is_engaged or terms.declared_status then
    used_ms = books.now_ms
  end
  return used_ms + terms.idle_ttl_ms
end

local function goes_first(one, other)
  if one.due_ms ~= other.due_ms then
    return one.due_ms < other.due_ms
  end
  local a, b = one.account.terms, other.account.terms
  for _, name in ipairs({'scope', 'unit', 'period'}) do
    if a[name] ~= b[name] then
      return budgets.precedes(a[name], b[name])
    end
  end
  return false
end

-- Of the budgets whose time may have come those that can go, in the order of their time.
local function find_idle()
  local numbers = due('idle', string.format('(%.0f', books.now_ms), IDLE_MAX)
  swept.is_done = swept.is_done and #numbers < IDLE_MAX
  local found = {}
  for _, text in ipairs(numbers) do
    local account = budgets.latest_of(text)
    if not budgets.is_watched(account.terms) then
      books.later('ZREM', books.key('idle'), text)
    else
      local at_ms = due_ms(account)
      budgets.look_at(account.budget, at_ms)
      if at_ms < books.now_ms then
        found[#found + 1] = {account = account, due_ms = at_ms}
      end
    end
  end
  table.sort(found, goes_first)
  return found
end

local function retire(account)
  local gone = {
    allocated = amount.negative(account.allocated),
    spent = amount.negative(account.spent),
    over_limit = account.is_over_limit and -1 or nil,
  }
  accounts.enter('retire', {account}, {gone}, {scope = account.scope})
  budgets.retire(account)
  local terms = account.terms
  swept.retired[#swept.retired + 1] = {terms.scope, terms.unit, terms.period}
end

local function retire_idle()
  local limit = request.limit - swept.looked
  for place, idle in ipairs(find_idle()) do
    if place <= limit then
      retire(idle.account)
    end
  end
end

local function forget_answers()
  local left = request.limit - swept.looked - #swept.retired
  local over = due('remembered', string.format('(%.0f', books.now_ms), left)
  for _, key in ipairs(over) do
    keys.forget(key)
  end
  swept.forgotten = #over
  swept.is_done = swept.is_done and #over < left
end

local function expire()
  end_leases()
  end_doubts()
  swept.is_done = swept.looked < request.limit
  if swept.is_done then
    retire_idle()
    forget_answers()
  end
  return swept
end

return books.change(expire)
