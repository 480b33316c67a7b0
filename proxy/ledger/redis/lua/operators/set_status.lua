-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/once.lua
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

-- Freeze, unfreeze or close the budgets of a scope. Those that templates would make are made.
local request = cmsgpack.unpack(ARGV[1])

local units = {}
for _, unit in ipairs(request.units) do
  units[unit] = true
end

local function make_absent(names)
  local absent = {}
  for _, name in ipairs(names) do
    if not name.budget then
      absent[#absent + 1] = name
    end
  end
  budgets.ensure(absent)
  budgets.check_templates()
end

local function set_status()
  if once.is_done(request.key) then
    return nil
  end
  local names = budgets.names({request.scope}, units)
  if #names == 0 then
    books.refuse({code = 'NO_BUDGET'})
  end
  budgets.foresee(names)
  make_absent(names)
  for _, account in ipairs(budgets.latest(names)) do
    local terms = account.terms
    local declared_status = terms.declared_status or terms.status
    terms.status = request.status
    terms.declared_status = declared_status ~= terms.status and declared_status or nil
    accounts.write_terms(account)
    if budgets.is_watched(terms) then
      budgets.look_at(account.budget, 0)
    end
  end
  books.enter('set_status', {scope = request.scope}, {}, request.actor)
end

-- How they stand now, which is not written.
local function view()
  local list = budgets.ensure((budgets.names({request.scope}, units)))
  room.settle(list)
  return {balances = balances.list(list)}, {names = balances.names(list)}
end

return books.change(set_status, view)
