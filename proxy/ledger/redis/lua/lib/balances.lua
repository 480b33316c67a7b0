-- Balances, as callers read them and as first answers are kept. The order of their values is
-- that of a Balance after its window, of which the number stands here; names tell what it is.
local balances = {}

function balances.list(list)
  local found = {}
  for place, account in ipairs(list) do
    local record, terms = account.record, account.terms
    found[place] = {
      account.number,
      record.allocated or '0',
      record.reserved or '0',
      record.spent or '0',
      record.debt or '0',
      record.uncertain or '0',
      record.uncovered or '0',
      terms.overdraft_limit or '0',
      account.is_over_limit,
      terms.status,
      not terms.is_undeclared,
    }
  end
  return found
end

function balances.names(list)
  local names = {}
  for place, account in ipairs(list) do
    names[place] = account.record.name
  end
  return names
end

-- The names of the windows of balances that were kept.
function balances.names_of(kept)
  local fields, names = {}, {}
  for place, balance in ipairs(kept) do
    fields[place] = 'w:' .. balance[1]
  end
  for place, record in ipairs(books.read(fields)) do
    names[place] = record.name
  end
  return names
end
