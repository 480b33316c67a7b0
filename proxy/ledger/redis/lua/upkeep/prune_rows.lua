-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/accounts.lua
-- include: lib/holds.lua

-- Let go of rows that were made and ended before a time and owe nothing: what they were charged
-- is carried by their windows. A run looks at some of the oldest; `skip`: how many there are
-- that have to stay.
local request = cmsgpack.unpack(ARGV[1])

local LOOK_AT_MAX = 100

local function owes(hold)
  for _, lacking in pairs(hold.uncovered) do
    if amount.is_positive(lacking) then
      return true
    end
  end
  return false
end

local function is_old(hold)
  local ended_ms = hold.stands.finalized_ms
  return ended_ms and ended_ms < request.before_ms and not owes(hold)
end

local function carry(hold)
  for _, account in ipairs(accounts.find(hold.made.windows)) do
    if not account.terms.is_retired then
      accounts.carry(account, {spent = hold.charged[account.unit]})
    end
    account.record.rows = account.record.rows - 1
    accounts.touched[account.number] = account
  end
end

local function let_go(hold)
  carry(hold)
  local key = redis.call('HGET', books.row_key(hold.id), 'key')
  books.later('DEL', books.row_key(hold.id), books.key('k:' .. key))
  books.later('ZREM', books.key('rows'), hold.id)
end

local function prune()
  local range = {request.skip, request.skip + LOOK_AT_MAX - 1}
  local ids = redis.call('ZRANGE', books.key('rows'), unpack(range))
  local answer = {went = 0, stayed = 0, is_done = #ids < LOOK_AT_MAX}
  for _, id in ipairs(ids) do
    local hold = holds.find(id)
    if hold.made.created_ms >= request.before_ms or answer.went == request.limit then
      answer.is_done = true
      break
    end
    if is_old(hold) then
      let_go(hold)
      answer.went = answer.went + 1
    else
      answer.stayed = answer.stayed + 1
    end
  end
  books.head.pruned = books.head.pruned + math.min(answer.went, 1)
  return answer
end

return books.tidy(prune)
