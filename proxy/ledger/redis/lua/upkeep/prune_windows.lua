-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/accounts.lua
-- include: lib/allocation.lua
-- include: lib/rolling.lua
-- include: lib/holds.lua

-- Let go of windows that are over since before a time and that no row is in. First each is taken
-- out of the journal, by an entry. When that entry and all before it have gone, nothing knows
-- the window any more, and its records go.
--
-- `…:over` has the windows that are over or whose budget is gone, by when; `…:forgotten` those
-- that no journal will tell of, by when they were last used. A run looks at some of them;
-- `skip`: how many there are that have to stay.
local request = cmsgpack.unpack(ARGV[1])

local LOOK_AT_MAX = 100
local RETENTION = 'retention'

local answer = {went = 0, stayed = 0}

local function due(set, before_ms)
  local before = string.format('(%.0f', before_ms)
  local range = {'-inf', before, 'LIMIT', request.skip, LOOK_AT_MAX}
  local numbers = redis.call('ZRANGEBYSCORE', books.key(set), unpack(range))
  answer.is_done = #numbers < LOOK_AT_MAX
  return numbers
end

local function find(number)
  local record = books.read({'w:' .. number})[1]
  return accounts.find({record.budget, number})[1]
end

local function is_old(account)
  local record = account.record
  return (record.rows or 0) == 0
    and record.used_ms < request.before_ms
    and not accounts.owes(account)
end

-- The time of its last use stays with the budget.
local function take_out(account)
  local terms = account.terms
  local used_ms = math.max(terms.used_ms or 0, account.record.used_ms)
  local gone = {
    allocated = amount.negative(account.allocated),
    spent = amount.negative(account.spent),
    over_limit = account.is_over_limit and -1 or nil,
  }
  accounts.enter('forget', {account}, {gone}, {scope = account.scope}, RETENTION)
  terms.used_ms = used_ms
end

-- The last window of a budget that is gone was taken out with it.
local function forget(account)
  if account.terms.window ~= account.number then
    take_out(account)
  end
  local used_ms = string.format('%.0f', account.record.used_ms)
  books.later('ZREM', books.key('over'), account.number)
  books.later('ZADD', books.key('forgotten'), used_ms, account.number)
end

local function forget_old()
  for _, number in ipairs(due('over', request.before_ms)) do
    if answer.went == request.limit then
      answer.is_done = true
      break
    end
    local account = find(number)
    if is_old(account) then
      forget(account)
      answer.went = answer.went + 1
    else
      answer.stayed = answer.stayed + 1
    end
  end
  return answer
end

local function drop(account)
  local terms = account.terms
  terms.windows = terms.windows - 1
  books.drop('w:' .. account.number)
  books.drop('buckets:' .. account.number)
  if terms.is_retired and terms.windows == 0 then
    books.drop('b:' .. account.budget)
  else
    accounts.write_terms(account)
  end
  books.later('ZREM', books.key('forgotten'), account.number)
end

local function drop_forgotten()
  for _, number in ipairs(due('forgotten', request.before_ms)) do
    if answer.went == request.limit then
      break
    end
    drop(find(number))
    answer.went = answer.went + 1
  end
  answer.is_done = true
  return answer
end

return books.tidy(request.is_forgotten and drop_forgotten or forget_old)
