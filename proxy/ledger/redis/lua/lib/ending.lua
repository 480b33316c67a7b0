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

  -- A settlement as callers read it.
  function ending.answer(hold, released, list)
    return {
      state = hold.stands.state,
      charged = hold.charged and holds.texts(hold.charged) or zeros(hold.amounts),
      released = released or zeros(hold.amounts),
      uncovered = holds.texts(hold.uncovered),
      balances = balances.list(list),
    }
  end

  -- A settlement as rows keep it: `list` as it stands now.
  function ending.kept(answer, list)
    return {
      state = answer.state,
      charged = answer.charged,
      released = answer.released,
      uncovered = answer.uncovered,
      balances = balances.kept(list),
    }
  end

  function ending.restored(kept)
    kept.balances = balances.restored(kept.balances)
    return kept
  end

  -- The end of a hold stands; `word` is what whoever ended it said: key, payload, metadata.
  local function finish(hold, state, released, list, word)
    local open_ones = holds.is_uncertain(hold) and 'uncertain' or 'active'
    books.later('ZREM', books.key(open_ones), hold.id)
    hold.stands.state = state
    hold.stands.finalized_ms = books.now_ms
    local answer = ending.answer(hold, released, list)
    local settled = {key = word.key, payload = word.payload, answer = ending.kept(answer, list)}
    holds.set(hold, 'settled', cmsgpack.pack(settled))
    if word.metadata then
      holds.set(hold, 'settled_metadata', word.metadata)
    end
    return answer
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
    local answer = finish(hold, 'COMMITTED', released_of(hold, actual), list, word)
    room.owe(hold)
    room.repay(list)
    return answer
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
    local answer = finish(hold, state, holds.texts(hold.amounts), list, word)
    room.repay(list)
    return answer
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
    hold.stands.state = 'UNCERTAIN'
    hold.stands.uncertain_ms = books.now_ms
    holds.change(hold)
    books.later('ZREM', books.key('active'), hold.id)
    books.later('ZADD', books.key('uncertain'), string.format('%.0f', books.now_ms), hold.id)
  end

  -- The hold has not ended; a lease over the protocol has an end of its own.
  function ending.check_open(hold, kind)
    if hold.stands.state == 'EXPIRED' then
      books.refuse({code = 'EXPIRED'})
    end
    holds.move(hold, kind)
    local is_over = books.now_ms > holds.lapses_ms(hold)
    if is_over and hold.made.on_expiry == 'release' and not holds.is_uncertain(hold) then
      books.refuse({code = 'EXPIRED'})
    end
  end

  -- The first settlement, if it was by this operation with this key.
  function ending.replay(hold, state, key, payload)
    if hold.stands.state ~= state then
      return nil
    end
    local settled = cmsgpack.unpack(redis.call('HGET', books.row_key(hold.id), 'settled'))
    if settled.key ~= key then
      return nil
    end
    if settled.payload ~= payload then
      books.refuse({code = 'MISMATCH'})
    end
    return ending.restored(settled.answer)
  end
end
