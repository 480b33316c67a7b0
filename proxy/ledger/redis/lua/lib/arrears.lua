-- What no budget could fund, charged once there is room: rules.settlement.repay.
--
-- The sorted set `…:arrears` has a member `<window>:<age of the hold>:<hold>` for each window of
-- a settled hold that owes, so that the oldest of a window come first.
local arrears = lazily({}, function(arrears)
  arrears.owing = {}

  -- How many settled holds one operation looks at; the next one goes on: rules.ARREARS_MAX.
  local LOOK_AT_MAX = 100

  local function member(number, hold)
    return string.format('%s:%016.0f:%s', number, hold.made.number, hold.id)
  end

  -- The windows of a hold in one unit whose budgets are still there.
  local function standing(hold, unit)
    local found = {}
    for _, account in ipairs(accounts.standing(hold.made.windows)) do
      if account.unit == unit then
        found[#found + 1] = account
      end
    end
    return found
  end

  -- Remember that a settled hold was not covered; of what it owed before as well.
  function arrears.owe(hold)
    for unit, lacking in pairs(hold.uncovered) do
      if amount.is_positive(lacking) then
        arrears.owing[hold.id] = hold
        for _, account in ipairs(standing(hold, unit)) do
          books.later('ZADD', books.key('arrears'), 0, member(account.number, hold))
        end
      end
    end
  end

  local function find_owing(roomy)
    local found, ids = {}, {}
    for _, account in ipairs(roomy) do
      if amount.is_positive(account.uncovered) then
        local start = '[' .. account.number .. ':'
        local stop = '(' .. account.number .. ';'
        local set = books.key('arrears')
        local members = redis.call('ZRANGEBYLEX', set, start, stop, 'LIMIT', 0, LOOK_AT_MAX)
        for _, each in ipairs(members) do
          ids[string.match(each, '^%d+:%d+:(.*)$')] = true
        end
      end
    end
    for id in pairs(ids) do
      found[#found + 1] = holds.find(id)
    end
    for id, hold in pairs(arrears.owing) do
      if not ids[id] then
        found[#found + 1] = hold
      end
    end
    table.sort(found, function(one, other)
      return one.made.number < other.made.number
    end)
    return {unpack(found, 1, LOOK_AT_MAX)}
  end

  local function shares(windows_of_hold, is_roomy)
    for _, account in ipairs(windows_of_hold) do
      if is_roomy[account.number] then
        return true
      end
    end
    return false
  end

  -- What is owed to these windows, oldest first: the hold, the unit and its windows.
  local function find_arrears(roomy)
    local is_roomy = {}
    for _, account in ipairs(roomy) do
      is_roomy[account.number] = true
    end
    local found = {}
    for _, hold in ipairs(find_owing(roomy)) do
      for unit, lacking in pairs(hold.uncovered) do
        local own = amount.is_positive(lacking) and standing(hold, unit) or {}
        if shares(own, is_roomy) then
          found[#found + 1] = {hold = hold, unit = unit, accounts = own, uncovered = lacking}
        end
      end
    end
    return found
  end

  local function has_room(arrear)
    for _, account in ipairs(arrear.accounts) do
      if amount.less(accounts.remaining(account), arrear.uncovered) then
        return false
      end
    end
    return true
  end

  local function pay(arrear)
    local hold, unit = arrear.hold, arrear.unit
    local change = {spent = arrear.uncovered, uncovered = amount.negative(arrear.uncovered)}
    accounts.enter_by_unit('repay', arrear.accounts, {[unit] = change}, hold)
    hold.charged[unit] = amount.plus(hold.charged[unit], arrear.uncovered)
    hold.uncovered[unit] = amount.ZERO
    holds.change(hold)
    for _, account in ipairs(arrear.accounts) do
      books.later('ZREM', books.key('arrears'), member(account.number, hold))
    end
  end

  local function is_relieved(account)
    return account.is_over_limit
      and not amount.less(accounts.remaining(account), account.uncovered)
      and not amount.less(accounts.limit(account), account.debt)
  end

  local function concerned_by(roomy, found)
    local concerned, seen = {}, {}
    local function add(list)
      for _, account in ipairs(list) do
        if not seen[account.number] then
          seen[account.number] = true
          concerned[#concerned + 1] = account
        end
      end
    end
    add(roomy)
    for _, arrear in ipairs(found) do
      add(arrear.accounts)
    end
    return concerned
  end

  -- Where these windows have room, charge what they owe, each debt as a whole and in all its
  -- windows or in none; a window that can cover what it still owes is no longer over its limit.
  function arrears.repay(roomy)
    local found = find_arrears(roomy)
    local concerned = concerned_by(roomy, found)
    rolling.roll(concerned)
    for _, arrear in ipairs(found) do
      if has_room(arrear) then
        pay(arrear)
      end
    end
    for _, account in ipairs(concerned) do
      if is_relieved(account) then
        accounts.enter('relieve', {account}, {{over_limit = -1}}, {scope = account.scope})
      end
    end
  end
end)
