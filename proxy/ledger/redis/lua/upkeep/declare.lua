-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/accounts.lua
-- include: lib/allocation.lua
-- include: lib/windows.lua
-- include: lib/rolling.lua
-- include: lib/templates.lua
-- include: lib/budgets.lua
-- include: lib/making.lua
-- include: lib/holds.lua
-- include: lib/arrears.lua
-- include: lib/room.lua

-- Make the books follow the configuration; only what changed there moves anything here.
-- lines: the budgets of one scope each. templates: by the level they end with, the most
-- specific first. digest: of both, so that what stands already is not gone through again.
local request = cmsgpack.unpack(ARGV[1])

local function write_templates()
  local levels = {}
  for level, lines in pairs(request.templates) do
    levels[level] = true
    books.write('t:' .. level, lines)
  end
  for level in pairs(books.head.levels) do
    if not levels[level] then
      books.drop('t:' .. level)
    end
  end
  books.head.levels = levels
  books.head.templates = books.head.templates + 1
end

local function kind_of(scope, order)
  return scope .. ' ' .. order
end

local function lines_by_kind()
  local lines = {}
  for _, line in ipairs(request.lines) do
    lines[kind_of(line.pattern, line.order)] = line
  end
  return lines
end

-- The line that governs a budget: its own, else that of a template; and the template's pattern.
local function governing(terms, lines)
  local own = lines[kind_of(terms.scope, terms.order)]
  if own then
    return own, nil
  end
  local candidates = request.templates[budgets.level(terms.scope)] or {}
  for _, line in ipairs(templates.governing(candidates, terms.scope)) do
    if line.order == terms.order then
      return line, line.pattern
    end
  end
  return nil, nil
end

local function set_template(terms, pattern)
  local change = (pattern and 1 or 0) - (terms.template and 1 or 0)
  books.head.templates_made = books.head.templates_made + change
  terms.template = pattern
end

-- The budget stays, with its terms; only nobody declares it any more.
local function undeclare(name, terms)
  if not terms.is_undeclared then
    set_template(terms, nil)
    terms.is_undeclared = true
    books.write('b:' .. name.budget, terms)
    books.enter('declare', {scope = name.scope}, {}, 'config')
  end
end

local function is_as_declared(terms, line, template)
  return not terms.is_undeclared
    and terms.template == template
    and terms.allocated == line.allocated
    and terms.overdraft_limit == line.overdraft_limit
    and (terms.declared_status or terms.status) == line.status
    and terms.rollover_max == line.rollover_max
    and terms.idle_ttl_ms == line.idle_ttl_ms
end

-- Apply what differs from the last time: what operators did by hand survives the rest.
local function redeclare(name, line, template)
  local account = budgets.ensure({name})[1]
  local terms = account.terms
  room.settle({account})
  local by = amount.minus(amount.read(line.allocated), amount.read(terms.allocated))
  local change = allocation.adjust(account, by, amount.read(line.overdraft_limit))
  accounts.enter('declare', {account}, {change}, {scope = name.scope}, 'config')
  if line.status ~= (terms.declared_status or terms.status) then
    terms.status = line.status
  end
  terms.declared_status = line.status ~= terms.status and line.status or nil
  terms.allocated = line.allocated
  terms.overdraft_limit = line.overdraft_limit
  terms.rollover_max = line.rollover_max
  terms.idle_ttl_ms = line.idle_ttl_ms
  terms.is_undeclared = nil
  set_template(terms, template)
  accounts.write_terms(account)
  budgets.watch(name.budget, terms)
  room.repay({account})
end

local function follow(lines)
  local known, numbers = {}, {}
  local names = budgets.every()
  for place, name in ipairs(names) do
    numbers[place] = name.budget
  end
  for place, terms in ipairs(budgets.terms(numbers)) do
    known[kind_of(terms.scope, terms.order)] = true
    local line, template = governing(terms, lines)
    if not line then
      undeclare(names[place], terms)
    elseif not is_as_declared(terms, line, template) then
      redeclare(names[place], line, template)
    end
  end
  for _, line in ipairs(request.lines) do
    if not known[kind_of(line.pattern, line.order)] then
      budgets.make_own(line)
    end
  end
  windows.check()
end

local function declare()
  local head = books.head
  if request.version < head.version then
    return {version = head.version, is_ignored = true}
  end
  head.version = request.version
  head.templates_max = request.templates_max
  if head.declared ~= request.digest then
    head.declared = request.digest
    write_templates()
    follow(lines_by_kind())
  end
  return {version = head.version, is_ignored = false}
end

return books.change(declare)
