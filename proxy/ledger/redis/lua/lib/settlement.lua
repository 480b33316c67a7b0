-- What a hold becomes when its call ends: rules.settlement.
local settlement = {}
do
  local function reject(reason)
    books.refuse({code = 'REJECTED', reason = reason})
  end

  -- How much of an excess this budget can fund.
  local function room(account, terms)
    local remaining = amount.max(accounts.remaining(account), amount.ZERO)
    local limit = accounts.limit(account)
    if terms.overage ~= 'ALLOW_WITH_OVERDRAFT' or amount.is_zero(limit) then
      return remaining
    end
    if terms.is_refusable then
      return amount.MAX -- a full overdraft does not cap the charge, it refuses the commit
    end
    local credit = amount.max(amount.minus(limit, account.debt), amount.ZERO)
    return amount.plus(remaining, credit)
  end

  local function funded_of(list, excess, terms)
    local rooms = {}
    local funded = excess
    for place, account in ipairs(list) do
      rooms[place] = room(account, terms)
      funded = amount.min(funded, rooms[place])
    end
    return funded, rooms
  end

  local function change_beyond(account, held, excess, funded, own_room, terms)
    local paid = amount.min(funded, amount.max(accounts.remaining(account), amount.ZERO))
    local debt = amount.minus(funded, paid)
    local owed = amount.plus(account.debt, debt)
    if
      terms.is_refusable
      and not amount.is_zero(debt)
      and amount.less(accounts.limit(account), owed)
    then
      reject('overdraft_limit_exceeded')
    end
    return {
      reserved = amount.negative(held),
      spent = amount.plus(held, paid),
      debt = debt,
      uncertain = terms.is_uncertain and amount.negative(held) or nil,
      uncovered = amount.minus(excess, funded),
      over_limit = amount.less(own_room, excess) and not account.is_over_limit and 1 or nil,
    }
  end

  -- What stays uncovered of one unit, and the changes of its accounts.
  local function charge_unit(list, held, actual, terms)
    local excess = amount.minus(actual, held)
    local changes = {}
    if not amount.is_positive(excess) or #list == 0 then
      local change = {
        reserved = amount.negative(held),
        spent = actual,
        uncertain = terms.is_uncertain and amount.negative(held) or nil,
      }
      for place = 1, #list do
        changes[place] = change
      end
      return amount.ZERO, changes
    end
    if terms.is_refusable and terms.overage == 'REJECT' then
      reject('budget_exceeded')
    end
    local funded, rooms = funded_of(list, excess, terms)
    for place, account in ipairs(list) do
      changes[place] = change_beyond(account, held, excess, funded, rooms[place], terms)
    end
    return amount.minus(excess, funded), changes
  end

  -- What is charged and what stays uncovered, by unit, and the change of each account.
  -- `actual` is a list of {unit, amount}. terms: overage, is_refusable, is_uncertain.
  function settlement.charge(list, held, actual, terms)
    local charged, uncovered, changes = {}, {}, {}
    for _, pair in ipairs(actual) do
      local unit, value = pair[1], pair[2]
      local own, places = {}, {}
      for place, account in ipairs(list) do
        if account.unit == unit then
          own[#own + 1] = account
          places[#places + 1] = place
        end
      end
      local lacking, own_changes = charge_unit(own, held[unit], value, terms)
      uncovered[unit] = lacking
      charged[unit] = amount.minus(value, lacking)
      for number, place in ipairs(places) do
        changes[place] = own_changes[number]
      end
    end
    return charged, uncovered, changes
  end

  -- The whole hold returns to what remains.
  function settlement.give_back(held, is_uncertain)
    local back = amount.negative(held)
    return {reserved = back, uncertain = is_uncertain and back or nil}
  end

  -- Nobody knows what became of the call: its hold stays, and counts as uncertain.
  function settlement.doubt(held)
    return {uncertain = held}
  end
end
