-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/accounts.lua
-- include: lib/balances.lua
-- include: lib/admission.lua
-- include: lib/allocation.lua
-- include: lib/funding.lua
-- include: lib/windows.lua
-- include: lib/rolling.lua
-- include: lib/templates.lua
-- include: lib/budgets.lua
-- include: lib/making.lua
-- include: lib/holds.lua
-- include: lib/arrears.lua
-- include: lib/room.lua

-- What an operator does to the current window of a budget, once for each key.
local request = cmsgpack.unpack(ARGV[1])

local function first_answer(key)
  local found = redis.call('GET', books.key('f:' .. key))
  if not found then
    return nil
  end
  local first = cmsgpack.unpack(found)
  if first.payload ~= request.payload then
    books.refuse({code = 'MISMATCH'})
  end
  return first
end

-- The budget of a purse is made when it is first funded: rules.allocation.purse_line.
local function find_account()
  for _, name in ipairs((budgets.names({request.scope}, {[request.unit] = true}))) do
    local terms = name.line or budgets.terms({name.budget})[1]
    if terms.period == request.period then
      return budgets.ensure({name})[1]
    end
  end
  if request.line then
    return budgets.make_own(request.line)
  end
  books.refuse({code = 'NO_BUDGET'})
end

local function fund()
  local budget = table.concat({request.scope, request.unit, request.period}, ' ')
  local key = budget .. ' ' .. request.key
  local first = first_answer(key)
  if first then
    return first
  end
  local account = find_account()
  room.settle({account})
  local value, spent = amount.read(request.amount), amount.read(request.spent)
  local change = funding.change(account, request.operation, value, spent)
  budgets.check_templates()
  accounts.enter('fund', {account}, {change}, {scope = request.scope}, request.actor)
  room.repay({account})
  local answer = cmsgpack.pack({
    payload = request.payload,
    balances = balances.list({account}),
    names = balances.names({account}),
  })
  books.later('SET', books.key('f:' .. key), answer)
  books.later('ZADD', books.key('funded'), string.format('%.0f', books.now_ms), key)
  return answer
end

return books.change(fund)
