-- Balances, as callers read them and as first answers are kept. The order of their values is
-- that of a Balance.
local balances = {}

do
  -- A balance as the caller reads it: after five values that name its window, what stands there.
  local function standing_values(account, ...)
    local record, terms = account.record, account.terms
    local count = select('#', ...)
    local values = {...}
    values[count + 1] = record.allocated or '0'
    values[count + 2] = record.reserved or '0'
    values[count + 3] = record.spent or '0'
    values[count + 4] = record.debt or '0'
    values[count + 5] = record.uncertain or '0'
    values[count + 6] = record.uncovered or '0'
    values[count + 7] = terms.overdraft_limit or '0'
    values[count + 8] = account.is_over_limit
    values[count + 9] = terms.status
    values[count + 10] = not terms.is_undeclared
    return values
  end

  function balances.of(account)
    local record = account.record
    local end_ms = record.end_ms or false
    return standing_values(
      account,
      record.scope,
      record.unit,
      record.period,
      record.start_ms,
      end_ms
    )
  end

  function balances.list(list)
    local found = {}
    for place, account in ipairs(list) do
      found[place] = balances.of(account)
    end
    return found
  end

  -- The accounts as they stand now, for an answer that is given again later on. What their
  -- windows are called is in the hash and is not kept twice.
  function balances.kept(list)
    local kept = {}
    for place, account in ipairs(list) do
      kept[place] = standing_values(account, account.number)
    end
    return kept
  end

  function balances.restored(kept)
    local fields = {}
    for place, balance in ipairs(kept) do
      fields[place] = 'w:' .. balance[1]
    end
    local found = {}
    for place, record in ipairs(books.read(fields)) do
      found[place] = {
        record.scope,
        record.unit,
        record.period,
        record.start_ms,
        record.end_ms or false,
        unpack(kept[place], 2),
      }
    end
    return found
  end
end
