-- What windows begin with, and what operators and configuration may move: rules.allocation.
local allocation = lazily({}, function(allocation)
  -- rules.allocation.open_window: the posting to the window before, and the one to the new window.
  function allocation.open(per_window, before, skipped, rollover_max)
    local debt = before and before.debt or amount.ZERO
    local left = before and accounts.remaining(before) or amount.ZERO
    local positive = amount.max(per_window, amount.ZERO)
    local between = amount.times(positive, skipped)
    local said = before and amount.max(before.allocated, before.spent) or amount.MAX
    local paid_between = amount.min(amount.min(debt, between), amount.minus(amount.MAX, said))
    local most = amount.min(rollover_max, amount.minus(amount.MAX, positive))
    local moved = amount.min(amount.max(left, amount.ZERO), most)
    local rolled = amount.min(amount.minus(amount.plus(moved, between), paid_between), most)
    local owed = amount.minus(debt, paid_between)
    local paid = amount.min(owed, amount.plus(positive, rolled))
    return {
      closing = {
        allocated = amount.minus(paid_between, moved),
        spent = paid_between,
        debt = amount.negative(debt),
      },
      opening = {
        allocated = amount.plus(per_window, rolled),
        spent = paid,
        debt = amount.minus(owed, paid),
      },
    }
  end

  -- rules.allocation.roll: what leaves a rolling window makes room, for its debt first.
  function allocation.roll(account, left)
    local paid = amount.min(account.debt, left)
    return {spent = amount.minus(paid, left), debt = amount.negative(paid)}
  end

  -- What a posting says of being over the limit: 1, -1, or nothing.
  function allocation.over_limit(is_now, is_after)
    if is_now == is_after then
      return nil
    end
    return is_after and 1 or -1
  end

  -- rules.allocation.adjust: move an allocation under a new overdraft limit.
  function allocation.adjust(account, by, new_limit)
    local limit = accounts.limit(account)
    local repaid = amount.min(account.debt, amount.max(by, amount.ZERO))
    local is_above = amount.less(new_limit, amount.minus(account.debt, repaid))
    local gives = amount.is_positive(by) or amount.less(limit, new_limit)
    local falls_over = is_above and amount.less(new_limit, limit)
    local stays_over = account.is_over_limit and (is_above or not gives)
    return {
      allocated = by,
      spent = repaid,
      debt = amount.negative(repaid),
      over_limit = allocation.over_limit(account.is_over_limit, falls_over or stays_over),
    }
  end
end)
