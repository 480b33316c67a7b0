-- Budgets that are made, followed by their next window, looked through as a whole, or retired:
-- the part of lib/budgets.lua that most operations do not need.
lazily(budgets, function()
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

  -- The terms of budgets that were made.
  function budgets.terms(numbers)
    local fields, found = {}, {}
    for _, number in ipairs(numbers) do
      if not accounts.terms[number] then
        fields[#fields + 1] = 'b:' .. number
      end
    end
    for place, terms in ipairs(books.read(fields)) do
      accounts.terms[string.sub(fields[place], 3)] = terms
    end
    for place, number in ipairs(numbers) do
      found[place] = accounts.terms[number]
    end
    return found
  end

  -- The terms of the budgets that a scope has.
  local function terms_of(standing)
    local numbers = {}
    for place = 1, #standing.of, budgets.STRIDE do
      numbers[#numbers + 1] = standing.of[place]
    end
    return budgets.terms(numbers)
  end

  local function absent_lines(standing, lines, scope)
    local orders = {}
    for _, terms in ipairs(terms_of(standing)) do
      orders[terms.order] = true
    end
    local absent = {}
    for _, line in ipairs(templates.governing(lines, scope)) do
      if not orders[line.order] then
        absent[#absent + 1] = line
      end
    end
    return #absent > 0 and absent or nil
  end

  -- Add the names of one scope, made and not, in their order.
  function budgets.add_with_absent(names, made, scope, standing, units)
    local orders, own = {}, {}
    for _, name in ipairs(made) do
      own[#own + 1] = name
      orders[name] = budgets.terms({name.budget})[1].order
    end
    for _, line in ipairs(standing.absent) do
      if units[line.unit] then
        own[#own + 1] = {scope = scope, standing = standing, unit = line.unit, line = line}
        orders[own[#own]] = line.order
      end
    end
    table.sort(own, function(one, other)
      return budgets.precedes(orders[one], orders[other])
    end)
    for _, name in ipairs(own) do
      names[#names + 1] = name
    end
  end

  -- Bring what is known of these scopes after the templates that are in force.
  function budgets.match(standings)
    local fields, levels = {}, {}
    for scope in pairs(standings) do
      local level = budgets.level(scope)
      if not levels[level] and books.head.levels[level] then
        fields[#fields + 1] = 't:' .. level
        levels[level] = #fields
      end
    end
    local lines = books.read(fields)
    for scope, standing in pairs(standings) do
      local place = levels[budgets.level(scope)]
      standing.absent = place and absent_lines(standing, lines[place], scope) or nil
      standing.known = books.head.templates
      budgets.changed[scope] = standing
    end
  end

  local function place_of(standing, order)
    for number, terms in ipairs(terms_of(standing)) do
      if budgets.precedes(order, terms.order) then
        return (number - 1) * budgets.STRIDE + 1
      end
    end
    return #standing.of + 1
  end

  local function insert(standing, name, order)
    local at = place_of(standing, order)
    for shift, value in ipairs({name.budget, name.window, name.unit}) do
      table.insert(standing.of, at + shift - 1, value)
    end
    local absent = {}
    for _, line in ipairs(standing.absent or {}) do
      if line.order ~= order then
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

  -- The account of a budget that is not there yet, made after its line, or nil when its window is
  -- not known. `template` is the pattern that it came from.
  function budgets.make(name, template)
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
      rollover_max = line.rollover_max,
      idle_ttl_ms = line.idle_ttl_ms,
      template = template,
    }
    name.budget = books.next_number()
    accounts.terms[name.budget] = terms
    local account = windows.begin(name.budget, terms, window, nil)
    name.window = account.number
    accounts.write_terms(account)
    insert(name.standing, name, line.order)
    books.later('ZADD', books.key('scopes'), 0, name.scope)
    budgets.watch(name.budget, terms)
    if template then
      books.head.templates_made = books.head.templates_made + 1
      budgets.first_made = budgets.first_made or name.scope
    end
    return account
  end

  -- The same for a line of its own, which is no template.
  function budgets.make_own(line)
    local scope = line.pattern
    local standing = budgets.changed[scope] or books.read({'s:' .. scope})[1] or {of = {}}
    return budgets.make({scope = scope, standing = standing, unit = line.unit, line = line}, nil)
  end

  local function set_window(name, number)
    local of = name.standing.of
    for place = 1, #of, budgets.STRIDE do
      if of[place] == name.budget then
        of[place + 1] = number
      end
    end
    name.window = number
    budgets.changed[name.scope] = name.standing
  end

  -- The account of the window that follows this one, which is over; nil when it is not known.
  function budgets.follow(name, account)
    local window = windows.at(account.terms.period, account.record.end_ms)
    if not window then
      return nil
    end
    local follower = windows.begin(name.budget, account.terms, window, account)
    set_window(name, follower.number)
    accounts.write_terms(follower)
    return follower
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
    return accounts.find({number, budgets.terms({number})[1].window})[1]
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
        windows.at(account.terms.period, end_ms)
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
      for at = 1, #standing.of, budgets.STRIDE do
        names[#names + 1] = {
          scope = scopes[place],
          standing = standing,
          budget = standing.of[at],
          window = standing.of[at + 1],
          unit = standing.of[at + 2],
        }
      end
    end
    return names
  end

  -- A budget leaves the scope that it was made for.
  function budgets.retire(account)
    local scope = account.scope
    local standing = budgets.changed[scope] or books.read({'s:' .. scope})[1]
    local of = {}
    for place = 1, #standing.of, budgets.STRIDE do
      if standing.of[place] ~= account.budget then
        for at = place, place + budgets.STRIDE - 1 do
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
    local now_ms = string.format('%.0f', books.now_ms)
    books.later('ZADD', books.key('over'), now_ms, account.number)
    books.head.templates_made = books.head.templates_made - 1
    books.later('ZREM', books.key('idle'), account.budget)
  end
end)
