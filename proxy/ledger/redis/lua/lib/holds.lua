-- The rows of holds. The key of a row is a hash:
--   state, dispatched
--   stands    expires_ms, extensions, estimated, uncertain_ms, finalized_ms, and by unit
--             amounts, charged and uncovered
--   made      what never changes: overage, on_expiry, created_ms, ttl_ms, grace_ms,
--             max_extensions, rung, number (its age), windows (flat: budget, window), is_event
--   about     what entries of the journal say: scope, trace, price
--   key, hash, call                             what was asked; nobody here reads the call
--   granted, settled, and `<operation> <key>`   first answers, for replays
--   settled_metadata
-- Sorted sets hold the open ones, `…:active` by when lease and grace end, `…:uncertain` by when
-- they became so; and `…:rows` all of them, by age.
local holds = {by_id = {}, changed = {}}
do
  function holds.texts(amounts)
    local texts = {}
    for unit, value in pairs(amounts) do
      texts[unit] = amount.text(value)
    end
    return texts
  end

  -- A new row, for a request.
  function holds.add(hold, request)
    holds.by_id[hold.id] = hold
    books.later('ZADD', books.key('rows'), hold.made.number, hold.id)
    holds.set(hold, 'made', cmsgpack.pack(hold.made))
    holds.set(hold, 'about', cmsgpack.pack({hold.scope, hold.trace_id, hold.price_version}))
    holds.set(hold, 'key', request.key)
    holds.set(hold, 'hash', request.payload_hash)
    holds.set(hold, 'call', request.call)
  end

  -- Where the hold stands has changed.
  function holds.change(hold)
    holds.changed[hold.id] = hold
  end

  -- A field of the row has changed, and where the hold stands.
  function holds.set(hold, field, value)
    hold.fields = hold.fields or {}
    hold.fields[#hold.fields + 1] = field
    hold.fields[#hold.fields + 1] = value
    holds.change(hold)
  end

  function holds.move_lease(hold, expires_ms)
    hold.stands.expires_ms = expires_ms
    holds.change(hold)
    local lapses_ms = expires_ms + hold.made.grace_ms
    books.later('ZADD', books.key('active'), string.format('%.0f', lapses_ms), hold.id)
  end

  function holds.left_ms(hold, expires_ms)
    if hold.state ~= 'ACTIVE' then
      return 0
    end
    return math.max(0, expires_ms - books.now_ms)
  end

  -- The clock has leaped, not the holders: each has one more lease. Beyond so many they get it
  -- when they are next met.
  function books.on_leap()
    for _, id in ipairs(redis.call('ZRANGE', books.key('active'), 0, 999)) do
      holds.find(id)
    end
  end

  books.at_end(function()
    for id, hold in pairs(holds.changed) do
      local stands = hold.stands
      stands.amounts = holds.texts(hold.amounts)
      stands.charged = hold.charged and holds.texts(hold.charged)
      stands.uncovered = holds.texts(hold.uncovered)
      holds.set(hold, 'stands', cmsgpack.pack(stands))
      holds.set(hold, 'state', hold.state)
      books.later('HSET', books.row_key(id), unpack(hold.fields))
      hold.fields = nil
    end
    holds.changed = {}
  end)
end

-- Rows that are there already.
lazily(holds, function()
  -- The units of amounts may be in any order; these tables have no nil.
  local function read_amounts(texts)
    local amounts = {}
    for unit, text in pairs(texts) do
      amounts[unit] = amount.read(text)
    end
    return amounts
  end

  function holds.copy(amounts)
    local copied = {}
    for unit, value in pairs(amounts) do
      copied[unit] = value
    end
    return copied
  end

  local function give_one_more_lease(hold)
    if hold.state ~= 'ACTIVE' then
      return
    end
    local expires_ms = books.head.leap_ms + hold.made.ttl_ms
    if expires_ms > hold.stands.expires_ms then
      holds.move_lease(hold, expires_ms)
      books.enter('extend', hold, {}, 'clock')
    end
  end

  local function read(id)
    local fields = {'state', 'dispatched', 'stands', 'made', 'about'}
    local found = redis.call('HMGET', books.row_key(id), unpack(fields))
    if not found[1] then
      return nil
    end
    local stands, about = cmsgpack.unpack(found[3]), cmsgpack.unpack(found[5])
    return {
      id = id,
      state = found[1],
      dispatched = found[2] == '1',
      stands = stands,
      made = cmsgpack.unpack(found[4]),
      scope = about[1],
      trace_id = about[2],
      price_version = about[3],
      amounts = read_amounts(stands.amounts),
      charged = stands.charged and read_amounts(stands.charged),
      uncovered = read_amounts(stands.uncovered),
    }
  end

  -- The hold of this id, or nil. After a leap of the clock it has one more lease.
  function holds.find(id)
    local hold = holds.by_id[id]
    if not hold then
      hold = read(id)
      if hold then
        holds.by_id[id] = hold
        give_one_more_lease(hold)
      end
    end
    return hold
  end

  function holds.get(id)
    local hold = holds.find(id)
    if not hold then
      books.refuse({code = 'NOT_FOUND'})
    end
    return hold
  end

  function holds.lapses_ms(hold)
    return hold.stands.expires_ms + hold.made.grace_ms
  end

  function holds.is_uncertain(hold)
    return hold.state == 'UNCERTAIN'
  end

  -- rules.life.MOVES
  local MOVES = {
    ACTIVE = {
      dispatch = 'ACTIVE',
      grow = 'ACTIVE',
      extend = 'ACTIVE',
      commit = 'COMMITTED',
      release = 'RELEASED',
      expire = 'EXPIRED',
      mark_uncertain = 'UNCERTAIN',
    },
    UNCERTAIN = {commit = 'COMMITTED', release = 'RELEASED', mark_uncertain = 'UNCERTAIN'},
    COMMITTED = {charge_late = 'COMMITTED'},
    RELEASED = {charge_late = 'RELEASED'},
    EXPIRED = {charge_late = 'EXPIRED'},
  }

  -- The state after a move, or a refusal.
  function holds.move(hold, kind)
    local after = MOVES[hold.state][kind]
    if not after then
      books.refuse({code = 'FINALIZED', state = hold.state})
    end
    return after
  end

  -- The hold is open, and its time for this is not over.
  function holds.check_lease(hold, kind, until_ms)
    local state = hold.state
    if state == 'EXPIRED' or state == 'UNCERTAIN' then
      books.refuse({code = 'EXPIRED'})
    end
    holds.move(hold, kind)
    if books.now_ms > until_ms then
      books.refuse({code = 'EXPIRED'})
    end
  end

  -- The units are those of the hold, all or some of them.
  function holds.check_units(hold, pairs_of_amounts, is_whole)
    local count = 0
    for _ in pairs(hold.amounts) do
      count = count + 1
    end
    for _, pair in ipairs(pairs_of_amounts) do
      if not hold.amounts[pair[1]] then
        books.refuse({code = 'UNITS'})
      end
    end
    if is_whole and #pairs_of_amounts < count then
      books.refuse({code = 'UNITS'})
    end
  end

  -- The first answer to an operation with this key, if it was asked before.
  function holds.replay(hold, kind, key, payload)
    local found = redis.call('HGET', books.row_key(hold.id), kind .. ' ' .. key)
    if not found then
      return nil
    end
    local answer = cmsgpack.unpack(found)
    if answer.payload ~= payload then
      books.refuse({code = 'MISMATCH'})
    end
    return answer
  end

  -- Keep the first answer to an operation, which has the payload in it. Packed.
  function holds.keep_reply(hold, kind, key, answer)
    local packed = cmsgpack.pack(answer)
    holds.set(hold, kind .. ' ' .. key, packed)
    return packed
  end
end)
