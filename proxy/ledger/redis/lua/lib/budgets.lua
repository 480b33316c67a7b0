-- Which budgets the scopes of a subject have, made or not. The hash keeps of a scope
--   of       its budgets, flat and in their order: budget, window, unit
--   known    the version of the templates that it was matched against
--   absent   the lines of templates that govern it and have made no budget there yet
-- lib/making.lua is the rest of it.
local budgets = {changed = {}, first_made = false, STRIDE = 3}

do
  -- The level that a scope or a pattern ends with.
  function budgets.level(path)
    return string.match(path, '([^/:]*):[^/:]*$')
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
      standings[place] = standing
      if standing.known ~= books.head.templates then
        if #standing.of > 0 or books.head.levels[budgets.level(scope)] then
          unmatched[scope] = standing
        end
      end
    end
    if next(unmatched) then
      budgets.match(unmatched)
    end
    return standings
  end

  local function add_made(names, scope, standing, units)
    local of = standing.of
    for place = 1, #of, budgets.STRIDE do
      if units[of[place + 2]] then
        names[#names + 1] = {
          scope = scope,
          standing = standing,
          budget = of[place],
          window = of[place + 1],
          unit = of[place + 2],
        }
      end
    end
  end

  -- The names of the budgets of these scopes in these units, in the order in which they are
  -- checked. Also whether there is any in whatever unit.
  function budgets.names(scopes, units)
    local names = {}
    local has_any = false
    for place, standing in ipairs(find_standings(scopes)) do
      local scope = scopes[place]
      has_any = has_any or #standing.of > 0 or standing.absent ~= nil
      if standing.absent then
        local own = {}
        add_made(own, scope, standing, units)
        budgets.add_with_absent(names, own, scope, standing, units)
      else
        add_made(names, scope, standing, units)
      end
    end
    return names, has_any
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
    local is_whole = true
    for place, name in ipairs(names) do
      local account
      if name.budget then
        at = at + 1
        account = found[at]
        local end_ms = account.record.end_ms
        if end_ms and end_ms <= books.now_ms then
          account = budgets.follow(name, account)
        end
      else
        account = budgets.make(name, name.line.pattern)
      end
      list[place] = account or false
      is_whole = is_whole and account
    end
    if not is_whole then
      windows.check()
    end
    return list
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
end
