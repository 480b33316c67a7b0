-- What operators may do to the current window of a budget: rules.allocation.fund.
local funding = {}

local function with_relief(account, change)
  local debt = amount.plus(account.debt, change.debt or amount.ZERO)
  local is_over = account.is_over_limit and amount.less(accounts.limit(account), debt)
  change.over_limit = allocation.over_limit(account.is_over_limit, is_over)
  return change
end

local function debit(account, value)
  if amount.less(accounts.remaining(account), value) then
    admission.refuse('budget_exceeded', account, value)
  end
  return allocation.adjust(account, amount.negative(value), accounts.limit(account))
end

local operations = {
  CREDIT = function(account, value)
    return allocation.adjust(account, value, accounts.limit(account))
  end,
  DEBIT = debit,
  RESET = function(account, value)
    local by = amount.minus(value, account.allocated)
    return allocation.adjust(account, by, accounts.limit(account))
  end,
  RESET_SPENT = function(account, value, spent)
    return with_relief(account, {
      allocated = amount.minus(value, account.allocated),
      spent = amount.minus(spent, account.spent),
    })
  end,
  REPAY_DEBT = function(account, value)
    local paid = amount.min(account.debt, value)
    return with_relief(account, {
      allocated = amount.minus(value, paid),
      debt = amount.negative(paid),
    })
  end,
}

-- rules.allocation.fund: what an operator does to the current window.
function funding.change(account, operation, value, spent)
  local reason = admission.stopped(account)
  if reason then
    admission.refuse(reason, account, value)
  end
  return operations[operation](account, value, spent)
end
