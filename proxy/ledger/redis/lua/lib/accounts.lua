-- Budgets in their windows, as one operation sees them. Each is read once, changed in memory,
-- and written once when the operation stands.
--
-- An account is one window of one budget: its amounts (as in lib/amount.lua) by name, `record`,
-- what the hash keeps of the window, and `terms`, what it keeps of the budget. `number` is nil
-- until the window is made, `budget` until the budget is.
local accounts = {by_number = {}, terms = {}, touched = {}}

-- Told of every change that is posted; lib/rolling.lua listens.
function accounts.on_post() end

local AMOUNTS = {'allocated', 'reserved', 'spent', 'debt', 'uncertain', 'uncovered'}

function accounts.of(number, record, terms)
  local account = {
    number = number,
    budget = record.budget,
    record = record,
    terms = terms,
    scope = record.scope,
    unit = record.unit,
    is_over_limit = record.is_over_limit or false,
  }
  for _, name in ipairs(AMOUNTS) do
    account[name] = amount.read(record[name])
  end
  return account
end

-- A window in which nothing stands yet.
function accounts.empty(record, terms)
  return accounts.of(nil, {
    budget = record.budget,
    scope = record.scope,
    unit = record.unit,
    period = record.period,
    start_ms = record.start_ms,
    end_ms = record.end_ms,
  }, terms)
end

-- The accounts of these pairs of a budget's and a window's number, flat, in their order.
function accounts.find(pairs_of_numbers)
  local fields = {}
  for place = 1, #pairs_of_numbers, 2 do
    if not accounts.by_number[pairs_of_numbers[place + 1]] then
      fields[#fields + 1] = 'w:' .. pairs_of_numbers[place + 1]
      fields[#fields + 1] = 'b:' .. pairs_of_numbers[place]
    end
  end
  local records = books.read(fields)
  local read = 1
  local found = {}
  for place = 1, #pairs_of_numbers, 2 do
    local budget, number = pairs_of_numbers[place], pairs_of_numbers[place + 1]
    if not accounts.by_number[number] then
      local terms = accounts.terms[budget] or records[read + 1]
      accounts.terms[budget] = terms
      accounts.by_number[number] = accounts.of(number, records[read], terms)
      read = read + 2
    end
    found[#found + 1] = accounts.by_number[number]
  end
  return found
end

-- Those of these accounts whose budgets are still there.
function accounts.standing(pairs_of_numbers)
  local list = {}
  for _, account in ipairs(accounts.find(pairs_of_numbers)) do
    if not account.terms.is_retired then
      list[#list + 1] = account
    end
  end
  return list
end

-- May be negative, after an operator lowered the budget below its spend.
function accounts.remaining(account)
  local a, s, r, d = account.allocated, account.spent, account.reserved, account.debt
  return amount.of(a[1] - s[1] - r[1] - d[1], a[2] - s[2] - r[2] - d[2])
end

function accounts.limit(account)
  return amount.read(account.terms.overdraft_limit)
end

function accounts.status(account)
  return account.terms.status or 'ACTIVE'
end

local function is_within(value)
  return not amount.less(amount.MAX, value) and not amount.less(value, amount.MIN)
end

local function check(account)
  assert(not amount.is_negative(account.uncertain), 'a hold ends once')
  assert(not amount.less(account.reserved, account.uncertain), 'a hold ends once')
  assert(not amount.is_negative(account.spent), 'nothing is paid twice')
  assert(not amount.is_negative(account.debt), 'nothing is paid twice')
  assert(not amount.is_negative(account.uncovered), 'nothing is paid twice')
  if
    not is_within(account.allocated)
    or not is_within(accounts.remaining(account))
    or amount.less(amount.MAX, account.reserved)
    or amount.less(amount.MAX, account.spent)
    or amount.less(amount.MAX, account.debt)
    or amount.less(amount.MAX, account.uncovered)
  then
    books.refuse({code = 'OUT_OF_RANGE', scope = account.scope})
  end
end

-- Add a change, of amounts by name and `over_limit` 1 or -1, to an account; rules.posting.post.
function accounts.add(account, change)
  for _, name in ipairs(AMOUNTS) do
    if change[name] then
      account[name] = amount.plus(account[name], change[name])
      account.record[name] = amount.kept(account[name])
    end
  end
  if change.over_limit then
    account.is_over_limit = change.over_limit == 1
    account.record.is_over_limit = account.is_over_limit or nil
  end
  check(account)
end

-- What a window's spent and debt have beyond what its holds were charged.
local function carry(account, change)
  local carried = amount.read(account.record.carried)
  carried = amount.plus(carried, change.spent or amount.ZERO)
  account.record.carried = amount.kept(amount.plus(carried, change.debt or amount.ZERO))
end

local function written(change)
  if not change.text then
    local parts = {}
    for place, name in ipairs(AMOUNTS) do
      parts[place] = change[name] and amount.text(change[name]) or '0'
    end
    change.text = table.concat(parts, ',') .. ',' .. (change.over_limit or 0)
  end
  return change.text
end

function accounts.write_terms(account)
  books.write('b:' .. account.budget, account.terms)
end

function accounts.owes(account)
  return not (
    amount.is_zero(account.reserved)
    and amount.is_zero(account.debt)
    and amount.is_zero(account.uncovered)
  )
end

-- A budget remembers which windows before its current one still hold or owe something.
function accounts.note_past(account)
  local terms = account.terms
  local past = {}
  for _, number in ipairs(terms.past or {}) do
    if number ~= account.number then
      past[#past + 1] = number
    end
  end
  if accounts.owes(account) then
    past[#past + 1] = account.number
  end
  terms.past = #past > 0 and past or nil
  accounts.write_terms(account)
end

-- Whether a change changes anything.
function accounts.moves(change)
  for _, name in ipairs(AMOUNTS) do
    if change[name] and not amount.is_zero(change[name]) then
      return true
    end
  end
  return change.over_limit ~= nil
end

-- Add a change and note it for the journal; the answer is the posting as entries keep it.
function accounts.post(account, change)
  accounts.add(account, change)
  accounts.on_post(account, change)
  account.record.used_ms = books.now_ms
  accounts.touched[account.number] = account
  if account.terms.window ~= account.number then
    account.terms.used_ms = books.now_ms
    accounts.note_past(account)
  end
  return '[' .. account.number .. ',' .. written(change) .. ']'
end

-- One entry that changes these accounts, each by the change at its place. Entries that are
-- about no hold move what the windows' holds do not account for.
function accounts.enter(kind, changed, changes, about, actor)
  local postings = {}
  for place, account in ipairs(changed) do
    postings[place] = accounts.post(account, changes[place])
    if not about.id then
      carry(account, changes[place])
    end
  end
  books.enter(kind, about, postings, actor)
end

-- The same change for all of them.
function accounts.enter_each(kind, changed, change, about, actor)
  local changes = {}
  for place = 1, #changed do
    changes[place] = change
  end
  accounts.enter(kind, changed, changes, about, actor)
end

-- The accounts as they stand now, for an answer that is given again later on. What their
-- windows are called is in the hash and is not kept twice.
function accounts.kept(list)
  local kept = {}
  for place, account in ipairs(list) do
    local balance = accounts.balance(account)
    kept[place] = {account.number, unpack(balance, 6)}
  end
  return kept
end

function accounts.restored(kept)
  local fields = {}
  for place, balance in ipairs(kept) do
    fields[place] = 'w:' .. balance[1]
  end
  local balances = {}
  for place, record in ipairs(books.read(fields)) do
    balances[place] = {
      record.scope,
      record.unit,
      record.period,
      record.start_ms,
      record.end_ms or false,
      unpack(kept[place], 2),
    }
  end
  return balances
end

-- A balance as the caller reads it.
function accounts.balance(account)
  local record = account.record
  return {
    record.scope,
    record.unit,
    record.period,
    record.start_ms,
    record.end_ms or false,
    record.allocated or '0',
    record.reserved or '0',
    record.spent or '0',
    record.debt or '0',
    record.uncertain or '0',
    record.uncovered or '0',
    account.terms.overdraft_limit or '0',
    account.is_over_limit,
    accounts.status(account),
    not account.terms.is_undeclared,
  }
end

function accounts.balances(list)
  local balances = {}
  for place, account in ipairs(list) do
    balances[place] = accounts.balance(account)
  end
  return balances
end

books.at_end(function()
  for number, account in pairs(accounts.touched) do
    books.write('w:' .. number, account.record)
  end
end)
