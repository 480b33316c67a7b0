-- Budgets in their windows, as one operation sees them. Each is read once, changed in memory,
-- and written once when the operation stands.
--
-- An account is one window of one budget: its amounts (as in lib/amount.lua) by name, `record`,
-- what the hash keeps of the window, and `terms`, what it keeps of the budget.
local accounts = {
  AMOUNTS = {'allocated', 'reserved', 'spent', 'debt', 'uncertain', 'uncovered'},
  by_number = {},
  terms = {},
  touched = {},
}

-- Told of every change that is posted; lib/rolling.lua listens.
function accounts.on_change() end

do
  local AMOUNTS = accounts.AMOUNTS

  function accounts.of(number, record, terms)
    return {
      number = number,
      budget = record.budget,
      record = record,
      terms = terms,
      scope = terms.scope,
      unit = terms.unit,
      allocated = amount.read(record.allocated),
      reserved = amount.read(record.reserved),
      spent = amount.read(record.spent),
      debt = amount.read(record.debt),
      uncertain = amount.read(record.uncertain),
      uncovered = amount.read(record.uncovered),
      is_over_limit = record.is_over_limit or false,
      rolling_ms = record.rolling_ms,
    }
  end

  -- The accounts of these pairs of a budget's and a window's number, flat, in their order.
  function accounts.find(numbers)
    local fields = {}
    for place = 1, #numbers, 2 do
      if not accounts.by_number[numbers[place + 1]] then
        fields[#fields + 1] = 'w:' .. numbers[place + 1]
        fields[#fields + 1] = 'b:' .. numbers[place]
      end
    end
    local records = books.read(fields)
    local read = 1
    local found = {}
    for place = 1, #numbers, 2 do
      local budget, number = numbers[place], numbers[place + 1]
      local account = accounts.by_number[number]
      if not account then
        local terms = accounts.terms[budget] or records[read + 1]
        accounts.terms[budget] = terms
        account = accounts.of(number, records[read], terms)
        accounts.by_number[number] = account
        read = read + 2
      end
      found[#found + 1] = account
    end
    return found
  end

  -- Those of these accounts whose budgets are still there.
  function accounts.standing(numbers)
    local list = {}
    for _, account in ipairs(accounts.find(numbers)) do
      if not account.terms.is_retired then
        list[#list + 1] = account
      end
    end
    return list
  end

  -- May be negative, after an operator lowered the budget below its spend.
  function accounts.remaining(account)
    local remaining = account.remaining
    if not remaining then
      local a, s, r, d = account.allocated, account.spent, account.reserved, account.debt
      remaining = amount.of(a[1] - s[1] - r[1] - d[1], a[2] - s[2] - r[2] - d[2])
      account.remaining = remaining
    end
    return remaining
  end

  function accounts.limit(account)
    return amount.read(account.terms.overdraft_limit)
  end

  -- What stays far away from int64's ends cannot sum up to them.
  local function is_far_from_the_ends(account)
    local most = 2000000000
    return account.allocated[1] < most
      and account.allocated[1] > -most
      and account.reserved[1] < most
      and account.spent[1] < most
      and account.debt[1] < most
      and account.uncovered[1] < most
  end

  local function check(account)
    if account.uncertain[1] < 0 or amount.less(account.reserved, account.uncertain) then
      error('a hold ends once')
    end
    if account.spent[1] < 0 or account.debt[1] < 0 or account.uncovered[1] < 0 then
      error('nothing is paid twice')
    end
    if is_far_from_the_ends(account) then
      return
    end
    for _, name in ipairs(AMOUNTS) do
      if not amount.is_within(account[name]) then
        books.refuse({code = 'OUT_OF_RANGE', scope = account.scope})
      end
    end
    if not amount.is_within(accounts.remaining(account)) then
      books.refuse({code = 'OUT_OF_RANGE', scope = account.scope})
    end
  end

  -- Add a change, of amounts by name and `over_limit` 1 or -1: rules.posting.post.
  local function add(account, change)
    for place = 1, 6 do
      local name = AMOUNTS[place]
      local by = change[name]
      if by then
        account[name] = amount.plus(account[name], by)
        account.record[name] = amount.kept(account[name])
      end
    end
    account.remaining = nil
    if change.over_limit then
      account.is_over_limit = change.over_limit == 1
      account.record.is_over_limit = account.is_over_limit or nil
    end
    check(account)
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

  -- Add a change; the answer is the posting as entries of the journal keep it.
  local function post(account, change)
    add(account, change)
    accounts.on_change(account, change)
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
      postings[place] = post(account, changes[place])
      if not about.id then
        accounts.carry(account, changes[place])
      end
    end
    books.enter(kind, about, postings, actor)
  end

  -- The same change for all accounts of a unit.
  function accounts.enter_by_unit(kind, changed, changes_by_unit, about, actor)
    local changes = {}
    for place, account in ipairs(changed) do
      changes[place] = changes_by_unit[account.unit]
    end
    accounts.enter(kind, changed, changes, about, actor)
  end

  books.at_end(function()
    for number, account in pairs(accounts.touched) do
      books.write('w:' .. number, account.record)
    end
  end)
end

-- What is about terms, windows that are over, and changes that no hold made.
lazily(accounts, function()
  function accounts.write_terms(account)
    books.write('b:' .. account.budget, account.terms)
  end

  -- What a window's spent and debt have beyond what its holds were charged.
  function accounts.carry(account, change)
    local carried = amount.read(account.record.carried)
    carried = amount.plus(carried, change.spent or amount.ZERO)
    account.record.carried = amount.kept(amount.plus(carried, change.debt or amount.ZERO))
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
    for _, name in ipairs(accounts.AMOUNTS) do
      if change[name] and not amount.is_zero(change[name]) then
        return true
      end
    end
    return change.over_limit ~= nil
  end
end)
