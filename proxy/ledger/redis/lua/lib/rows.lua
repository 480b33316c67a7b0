-- What a reserve and an event have in common: a key, budgets, and a new row.
local rows = {}

function rows.set_of(list)
  local set = {}
  for _, value in ipairs(list) do
    set[value] = true
  end
  return set
end

-- The hold that this key made, if it made one.
function rows.find_by_key(request)
  local id, remembered = keys.find(request.key)
  if remembered then
    books.refuse({code = 'MISMATCH'})
  end
  if not id then
    return nil
  end
  if redis.call('HGET', books.row_key(id), 'hash') ~= request.payload_hash then
    books.refuse({code = 'MISMATCH'})
  end
  return holds.find(id)
end

-- Whether budgets of these names pay for what is asked for in these units. Those that only count
-- calls do not; and what costs money or tokens is not paid in risk points.
local function covers(names, units)
  local limiting = {CALLS = true}
  for _, unit in ipairs(units) do
    if unit ~= 'CALLS' and unit ~= 'RISK_POINTS' then
      limiting.RISK_POINTS = true
    end
  end
  for _, name in ipairs(names) do
    if not limiting[name.unit] then
      return true
    end
  end
  return false
end

-- The names of the subject's budgets in the units of the request.
function rows.names(request, is_needed)
  local names, has_any = budgets.names(request.scopes, rows.set_of(request.units))
  if is_needed and not covers(names, request.units) then
    books.refuse({code = has_any and 'NO_UNIT' or 'NO_BUDGET'})
  end
  return names
end

-- Whether a budget that may not be made yet takes nothing new at all.
function rows.is_stopped(name)
  local terms = name.line or books.read({'b:' .. name.budget})[1]
  return terms.status ~= 'ACTIVE'
end

-- A row in the windows of these accounts, not written yet.
function rows.new(request, list)
  books.head.rows = books.head.rows + 1
  local numbers = {}
  for _, account in ipairs(list) do
    numbers[#numbers + 1] = account.budget
    numbers[#numbers + 1] = account.number
    account.record.rows = (account.record.rows or 0) + 1
  end
  local uncovered = {}
  for _, unit in ipairs(request.units) do
    uncovered[unit] = amount.ZERO
  end
  books.later('SET', books.key('k:' .. request.key), request.id)
  return {
    id = request.id,
    scope = request.scope,
    trace_id = request.trace_id,
    price_version = request.price_version,
    uncovered = uncovered,
    stands = {extensions = 0},
    made = {
      number = books.head.rows,
      overage = request.overage,
      on_expiry = request.on_expiry,
      created_ms = books.now_ms,
      ttl_ms = request.ttl_ms or 0,
      grace_ms = request.grace_ms or 0,
      max_extensions = request.max_extensions,
      windows = numbers,
      rung = 0,
    },
  }
end

-- Hold these amounts in these accounts, whether they fit or not: the hold, and the first answer.
function rows.hold(request, rung, amounts, list, actor)
  local hold = rows.new(request, list)
  hold.made.rung = rung
  hold.amounts = amounts
  hold.state = 'ACTIVE'
  local changes = {}
  for unit, held in pairs(amounts) do
    changes[unit] = {reserved = held}
  end
  accounts.enter_by_unit('reserve', list, changes, hold, actor)
  holds.move_lease(hold, books.now_ms + request.ttl_ms)
  local granted = cmsgpack.pack({
    rung = rung,
    amounts = holds.texts(amounts),
    expires_ms = hold.stands.expires_ms,
    balances = balances.list(list),
    annotation = request.annotation,
  })
  holds.add(hold, request)
  holds.set(hold, 'granted', granted)
  return hold, granted
end
