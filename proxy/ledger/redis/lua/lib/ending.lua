-- How a hold ends: charged, given back, or in doubt.
local ending = {}
do
  local function zeros(amounts)
    local texts = {}
    for unit in pairs(amounts) do
      texts[unit] = '0'
    end
    return texts
  end

  -- A settlement, as callers read it and as rows keep it. `word` is what whoever asked for it
  -- said: key and payload.
  function ending.answer(hold, released, list, word)
    return {
      key = word.key,
      payload = word.payload,
      state = hold.state,
      charged = hold.charged and holds.texts(hold.charged) or zeros(hold.amounts),
      released = released or zeros(hold.amounts),
      uncovered = holds.texts(hold.uncovered),
      balances = balances.list(list),
    }
  end

  -- The end of a hold stands. The answer: its settlement, packed, and the names in it.
  local function finish(hold, state, released, list, word)
    local open_ones = holds.is_uncertain(hold) and 'uncertain' or 'active'
    books.later('ZREM', books.key(open_ones), hold.id)
    hold.state = state
    hold.stands.finalized_ms = books.now_ms
    local settled = cmsgpack.pack(ending.answer(hold, released, list, word))
    holds.set(hold, 'settled', settled)
    if word.metadata then
      holds.set(hold, 'settled_metadata', word.metadata)
    end
    return settled, {
      names = balances.names(list),
      open_ms = books.now_ms - hold.made.created_ms,
    }
  end

  local function released_of(hold, actual)
    local released = {}
    for _, pair in ipairs(actual) do
      local rest = amount.minus(hold.amounts[pair[1]], pair[2])
      released[pair[1]] = amount.text(amount.max(rest, amount.ZERO))
    end
    return released
  end

  -- Commit an open hold: `actual` is a list of {unit, amount}.
  function ending.charge(hold, actual, word, actor)
    local list = accounts.standing(hold.made.windows)
    room.settle(list)
    local charged, uncovered, changes = settlement.charge(list, hold.amounts, actual, {
      overage = hold.made.overage,
      is_refusable = hold.made.on_expiry == 'release',
      is_uncertain = holds.is_uncertain(hold),
    })
    accounts.enter('commit', list, changes, hold, actor)
    hold.charged, hold.uncovered = charged, uncovered
    hold.stands.estimated = word.estimated or nil
    local settled, beside = finish(hold, 'COMMITTED', released_of(hold, actual), list, word)
    room.owe(hold)
    room.repay(list)
    return settled, beside
  end

  -- End an open hold for nothing: released, or expired.
  function ending.give_back(hold, kind, word, actor)
    local state = holds.move(hold, kind)
    local list = accounts.standing(hold.made.windows)
    room.settle(list)
    local is_uncertain = holds.is_uncertain(hold)
    local changes = {}
    for unit, held in pairs(hold.amounts) do
      changes[unit] = settlement.give_back(held, is_uncertain)
    end
    accounts.enter_by_unit(kind, list, changes, hold, actor)
    local nothing = {}
    for unit in pairs(hold.amounts) do
      nothing[unit] = amount.ZERO
    end
    hold.charged, hold.uncovered = nothing, holds.copy(nothing)
    local settled, beside = finish(hold, state, holds.texts(hold.amounts), list, word)
    room.repay(list)
    return settled, beside
  end

  -- Nobody knows what became of the call.
  function ending.doubt(hold)
    holds.move(hold, 'mark_uncertain')
    if holds.is_uncertain(hold) then
      return
    end
    local list = accounts.standing(hold.made.windows)
    room.settle(list)
    local changes = {}
    for unit, held in pairs(hold.amounts) do
      changes[unit] = settlement.doubt(held)
    end
    accounts.enter_by_unit('mark_uncertain', list, changes, hold)
    hold.state = 'UNCERTAIN'
    hold.stands.uncertain_ms = books.now_ms
    holds.change(hold)
    books.later('ZREM', books.key('active'), hold.id)
    books.later('ZADD', books.key('uncertain'), string.format('%.0f', books.now_ms), hold.id)
  end

  -- The hold has not ended; a lease over the protocol has an end of its own.
  function ending.check_open(hold, kind)
    if hold.state == 'EXPIRED' then
      books.refuse({code = 'EXPIRED'})
    end
    holds.move(hold, kind)
    local is_over = books.now_ms > holds.lapses_ms(hold)
    if is_over and hold.made.on_expiry == 'release' and not holds.is_uncertain(hold) then
      books.refuse({code = 'EXPIRED'})
    end
  end

  -- The first settlement, if it was by this operation with this key; and the names in it.
  function ending.replay(hold, state, word)
    if hold.state ~= state then
      return nil
    end
    local settled = cmsgpack.unpack(redis.call('HGET', books.row_key(hold.id), 'settled'))
    if settled.key ~= word.key then
      return nil
    end
    if settled.payload ~= word.payload then
      books.refuse({code = 'MISMATCH'})
    end
    return settled, {names = balances.names_of(settled.balances)}
  end
end
