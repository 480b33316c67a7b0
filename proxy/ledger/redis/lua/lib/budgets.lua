-- Which budgets the scopes of a subject have, made or not. The hash keeps of a scope
--   of       its budgets, flat and in their order: budget, window, unit, order
--   known    the version of the templates that it was matched against
--   absent   the lines of templates that govern it and have made no budget there yet
local budgets = {changed = {}}

local STRIDE = 4

-- Byte by byte: how Lua compares text depends on where the server runs.
function budgets.precedes(one, other)
  for place = 1, math.min(#one, #other) do
    local a, b = string.byte(one, place), string.byte(other, place)
    if a ~= b then
      return a < b
    end
  end
  return #one < #other
end

local function absent_lines(standing, lines, scope)
  local orders = {}
  for place = STRIDE, #standing.of, STRIDE do
    orders[standing.of[place]] = true
  end
  local absent = {}
  for _, line in ipairs(templates.governing(lines, scope)) do
    if not orders[line.order] then
      absent[#absent + 1] = line
    end
  end
  return #absent > 0 and absent or nil
end

-- Bring what is known of these scopes after the templates that are in force.
local function match(standings, scopes)
  local fields, levels = {}, {}
  for _, scope in ipairs(scopes) do
    local level = templates.level(scope)
    if not levels[level] and books.head.levels[level] then
      fields[#fields + 1] = 't:' .. level
      levels[level] = #fields
    end
  end
  local lines = books.read(fields)
  for _, scope in ipairs(scopes) do
    local place = levels[templates.level(scope)]
    local standing = standings[scope]
    standing.absent = place and absent_lines(standing, lines[place], scope) or nil
    standing.known = books.head.templates
    budgets.changed[scope] = standing
  end
end

local function find_standings(scopes)
  local fields = {}
  for place, scope in ipairs(scopes) do
    fields[place] = 's:' .. scope
  end
  local records = books.read(fields)
  local standings, unmatched = {}, {}
  for place, scope in ipairs(scopes) do
    local standing = records[place] or {of = {}}
    standings[scope] = standing
    if standing.known ~= books.head.templates then
      unmatched[#unmatched + 1] = scope
    end
  end
  if #unmatched > 0 then
    match(standings, unmatched)
  end
  return standings
end

local function names_of(scope, standing, units)
  local names = {}
  local of = standing.of
  for place = 1, #of, STRIDE do
    if units[of[place + 2]] then
      names[#names + 1] = {
        scope = scope,
        standing = standing,
        budget = of[place],
        window = of[place + 1],
        unit = of[place + 2],
        order = of[place + 3],
      }
    end
  end
  for _, line in ipairs(standing.absent or {}) do
    if units[line.unit] then
      names[#names + 1] = {
        scope = scope,
        standing = standing,
        unit = line.unit,
        order = line.order,
        line = line,
      }
    end
  end
  if standing.absent then
    table.sort(names, function(one, other)
      return budgets.precedes(one.order, other.order)
    end)
  end
  return names
end

-- The names of the budgets of these scopes in these units, in the order in which they are
-- checked. Also whether there is any in whatever unit.
function budgets.names(scopes, units)
  local standings = find_standings(scopes)
  local names = {}
  local has_any = false
  for _, scope in ipairs(scopes) do
    local standing = standings[scope]
    has_any = has_any or #standing.of > 0 or standing.absent ~= nil
    for _, name in ipairs(names_of(scope, standing, units)) do
      names[#names + 1] = name
    end
  end
  return names, has_any
end

local function insert(standing, name)
  local of = standing.of
  local at = #of + 1
  for place = 1, #of, STRIDE do
    if budgets.precedes(name.order, of[place + 3]) then
      at = place
      break
    end
  end
  for shift, value in ipairs({name.budget, name.window, name.unit, name.order}) do
    table.insert(of, at + shift - 1, value)
  end
  local absent = {}
  for _, line in ipairs(standing.absent or {}) do
    if line.order ~= name.order then
      absent[#absent + 1] = line
    end
  end
  standing.absent = #absent > 0 and absent or nil
  budgets.changed[name.scope] = standing
end

-- Whether a budget goes when nobody uses it.
function budgets.is_watched(terms)
  return terms.template and terms.idle_ttl_ms and not terms.is_retired
end

-- When expire is to see whether a budget is used; calls that use it do not move that.
function budgets.look_at(number, at_ms)
  books.later('ZADD', books.key('idle'), string.format('%.0f', at_ms), number)
end

-- The terms of a budget are new, as of now.
function budgets.watch(number, terms)
  if budgets.is_watched(terms) then
    budgets.look_at(number, books.now_ms + terms.idle_ttl_ms)
  end
end

-- A budget that is not there yet, made after a line. `template` is the pattern it came from.
local function make(name, template)
  local line = name.line
  local window = windows.at(line.period, nil)
  if not window then
    return nil
  end
  local terms = {
    scope = name.scope,
    unit = line.unit,
    period = line.period,
    order = line.order,
    allocated = line.allocated,
    overdraft_limit = line.overdraft_limit,
    status = line.status,
    declared_status = line.status,
    rollover_max = line.rollover_max,
    idle_ttl_ms = line.idle_ttl_ms,
    template = template,
  }
  name.budget = books.next_number()
  accounts.terms[name.budget] = terms
  local account = windows.begin(name.budget, terms, window, nil)
  name.window = account.number
  accounts.write_terms(account)
  insert(name.standing, name)
  books.later('ZADD', books.key('scopes'), 0, name.scope)
  budgets.watch(name.budget, terms)
  if template then
    books.head.templates_made = books.head.templates_made + 1
    budgets.first_made = budgets.first_made or name.scope
  end
  return account
end

-- The budget of a line of its own, where the scope has none. The line may want a window that
-- is not known; then nothing is made, and windows.check tells.
function budgets.make(line)
  local scope = line.pattern
  local standing = budgets.changed[scope] or books.read({'s:' .. scope})[1] or {of = {}}
  make({scope = scope, standing = standing, unit = line.unit, order = line.order, line = line})
end

local function set_window(name, number)
  local of = name.standing.of
  for place = 1, #of, STRIDE do
    if of[place] == name.budget then
      of[place + 1] = number
    end
  end
  name.window = number
  budgets.changed[name.scope] = name.standing
end

-- The account of a budget's current window, which begins now if it has not begun.
local function current(name, account)
  local end_ms = account.record.end_ms
  if not end_ms or books.now_ms < end_ms then
    return account
  end
  local window = windows.at(account.record.period, end_ms)
  if not window then
    return nil
  end
  local follower = windows.begin(name.budget, account.terms, window, account)
  set_window(name, follower.number)
  accounts.write_terms(follower)
  return follower
end

-- The accounts of the current windows of these budgets; what is not there is made.
function budgets.ensure(names)
  local numbers = {}
  for _, name in ipairs(names) do
    if name.budget then
      numbers[#numbers + 1] = name.budget
      numbers[#numbers + 1] = name.window
    end
  end
  local found = accounts.find(numbers)
  local list, at = {}, 0
  for place, name in ipairs(names) do
    if name.budget then
      at = at + 1
      list[place] = current(name, found[at]) or false
    else
      list[place] = make(name, name.line.pattern) or false
    end
  end
  windows.check()
  return list
end

-- The accounts of the latest windows of budgets that are there, whether or not they are over.
function budgets.latest(names)
  local numbers = {}
  for _, name in ipairs(names) do
    numbers[#numbers + 1] = name.budget
    numbers[#numbers + 1] = name.window
  end
  return accounts.find(numbers)
end

function budgets.latest_of(number)
  local terms = accounts.terms[number] or books.read({'b:' .. number})[1]
  return accounts.find({number, terms.window})[1]
end

-- Ask now for the windows that `ensure` will need.
function budgets.foresee(names)
  local made = {}
  for _, name in ipairs(names) do
    if name.budget then
      made[#made + 1] = name
    else
      windows.at(name.line.period, nil)
    end
  end
  for _, account in ipairs(budgets.latest(made)) do
    local end_ms = account.record.end_ms
    if end_ms and end_ms <= books.now_ms then
      windows.at(account.record.period, end_ms)
    end
  end
  windows.check()
end

-- The names of all budgets that were made.
function budgets.every()
  local scopes = redis.call('ZRANGE', books.key('scopes'), 0, -1)
  local fields = {}
  for place, scope in ipairs(scopes) do
    fields[place] = 's:' .. scope
  end
  local names = {}
  for place, standing in ipairs(books.read(fields)) do
    for at = 1, #standing.of, STRIDE do
      names[#names + 1] = {
        scope = scopes[place],
        standing = standing,
        budget = standing.of[at],
        window = standing.of[at + 1],
        unit = standing.of[at + 2],
        order = standing.of[at + 3],
      }
    end
  end
  return names
end

-- The terms of budgets that were made.
function budgets.terms(names)
  local fields = {}
  for place, name in ipairs(names) do
    fields[place] = 'b:' .. name.budget
  end
  local found = books.read(fields)
  for place, name in ipairs(names) do
    accounts.terms[name.budget] = found[place]
  end
  return found
end

-- A budget leaves the scope that it was made for.
function budgets.retire(account)
  local scope = account.scope
  local standing = budgets.changed[scope] or books.read({'s:' .. scope})[1]
  local of = {}
  for place = 1, #standing.of, STRIDE do
    if standing.of[place] ~= account.budget then
      for at = place, place + STRIDE - 1 do
        of[#of + 1] = standing.of[at]
      end
    end
  end
  standing.of, standing.known, standing.absent = of, nil, nil
  budgets.changed[scope] = standing
  if #of == 0 then
    books.drop('s:' .. scope)
    books.later('ZREM', books.key('scopes'), scope)
  end
  account.terms.is_retired = true
  accounts.write_terms(account)
  books.head.templates_made = books.head.templates_made - 1
  books.later('ZREM', books.key('idle'), account.budget)
end

-- To be called after the decision: templates make no more budgets than they may.
function budgets.check_templates()
  if budgets.first_made and books.head.templates_made > books.head.templates_max then
    books.refuse({
      code = 'TEMPLATE_LIMIT',
      scope = budgets.first_made,
      templates_max = books.head.templates_max,
    })
  end
end

books.at_end(function()
  for scope, standing in pairs(budgets.changed) do
    if #standing.of > 0 then
      books.write('s:' .. scope, standing)
    end
  end
end)
