-- Which rung of a plan is held, or why none is: rules.admission.
--
-- A plan is a list of rungs, each a table of spans {minimum, want} by unit, of amounts.
local admission = {}
do
  function admission.refuse(reason, account, required)
    books.refuse({
      code = 'BUDGET',
      reason = reason,
      scope = account.scope,
      unit = account.unit,
      required = amount.text(required),
      remaining = amount.text(accounts.remaining(account)),
      resets_at_ms = account.record.end_ms or false,
      rolling_ms = account.rolling_ms or 0,
    })
  end

  function admission.stopped(account)
    local status = account.terms.status
    if status == 'FROZEN' then
      return 'budget_frozen'
    end
    if status == 'CLOSED' then
      return 'budget_closed'
    end
    return nil
  end

  -- What it is called that there is not enough. A call that runs gives no count of it back.
  local function lack(account)
    if account.unit ~= 'CALLS' then
      return 'budget_exceeded'
    end
    return account.rolling_ms and 'cooldown' or 'steps_exhausted'
  end

  -- Why this budget cannot hold so much; in the order of the protocol.
  local function obstacle(account, required)
    local reason = admission.stopped(account)
    if reason then
      return reason
    end
    if account.is_over_limit then
      return 'overdraft_limit_exceeded'
    end
    if amount.is_positive(account.debt) and amount.is_zero(accounts.limit(account)) then
      return 'debt_outstanding'
    end
    if amount.less(accounts.remaining(account), required) then
      return lack(account)
    end
    return nil
  end

  local function has_room_once_settled(account, required, own)
    local in_flight = amount.minus(amount.minus(account.reserved, account.uncertain), own)
    return not amount.less(amount.plus(accounts.remaining(account), in_flight), required)
  end

  -- Root to leaf, the budgets that cannot hold so much, and why.
  local function failing(list, required, free)
    local found = {}
    for _, account in ipairs(list) do
      local reason
      if free[account.unit] then
        reason = admission.stopped(account)
      else
        reason = obstacle(account, required[account.unit])
      end
      if reason then
        found[#found + 1] = {account = account, reason = reason}
      end
    end
    return found
  end

  -- The first that fails names the reason; it is busy when all that fail only have to wait.
  local function refuse(failed, required, own)
    local reason = 'budget_busy'
    for _, each in ipairs(failed) do
      local unit = each.account.unit
      if
        each.reason ~= 'budget_exceeded'
        or not has_room_once_settled(each.account, required[unit], own[unit] or amount.ZERO)
      then
        reason = failed[1].reason
      end
    end
    admission.refuse(reason, failed[1].account, required[failed[1].account.unit])
  end

  local function smallest(plan)
    local least = {}
    for _, rung in ipairs(plan) do
      for unit, span in pairs(rung) do
        least[unit] = least[unit] and amount.min(least[unit], span.minimum) or span.minimum
      end
    end
    return least
  end

  local function tightest(list, free)
    local found = {}
    for _, account in ipairs(list) do
      local unit = account.unit
      if not free[unit] then
        local remaining = accounts.remaining(account)
        found[unit] = found[unit] and amount.min(found[unit], remaining) or remaining
      end
    end
    return found
  end

  local function wanted(span, remaining, max_share_pct)
    local is_whole = not amount.less(span.minimum, span.want)
    if is_whole or not remaining then
      return span.want
    end
    local share = amount.share(remaining, max_share_pct)
    return amount.min(span.want, amount.max(span.minimum, share))
  end

  local function amounts_of(rung, least_remaining, max_share_pct)
    local amounts = {}
    local fits = true
    for unit, span in pairs(rung) do
      local remaining = least_remaining[unit]
      amounts[unit] = wanted(span, remaining, max_share_pct)
      if remaining and amount.less(remaining, amounts[unit]) then
        fits = false
      end
    end
    return amounts, fits
  end

  -- The number of the first rung that fits, from 0, and the amounts to hold by unit.
  -- `own` is what the asker holds already, by unit; `free` says in which units nothing is held.
  function admission.grant(list, plan, max_share_pct, free, own)
    local least = smallest(plan)
    local failed = failing(list, least, free)
    if #failed > 0 then
      refuse(failed, least, own)
    end
    local least_remaining = tightest(list, free)
    for number, rung in ipairs(plan) do
      local amounts, fits = amounts_of(rung, least_remaining, max_share_pct)
      if fits then
        return number - 1, amounts
      end
    end
    -- Each unit has room for its own smallest rung, and they are not the same rung.
    local last = {}
    for unit, span in pairs(plan[#plan]) do
      last[unit] = span.minimum
    end
    refuse(failing(list, last, free), last, own)
  end
end
