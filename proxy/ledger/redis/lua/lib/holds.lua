-- The rows of holds. The key of a row is a hash:
--   made      what never changes: key, payload_hash, scope, trace_id, price_version, overage,
--             on_expiry, created_ms, ttl_ms, grace_ms, max_extensions, rung, number (its age),
--             windows (flat: budget, window), and is_event
--   stands    state, dispatched, expires_ms, extensions, estimated, uncertain_ms,
--             finalized_ms, and by unit amounts, charged and uncovered
--   call      what only the caller reads
--   granted, settled, and `<operation> <key>`   first answers, for replays
--   settled_metadata
-- Two sorted sets hold the open ones: `…:active` by when lease and grace end, `…:uncertain` by
-- when they became so.
local holds = {by_id = {}, changed = {}}
do
  -- The units of amounts may be in any order; these tables have no nil.
  local function read_amounts(texts)
    local amounts = {}
    for unit, text in pairs(texts) do
      amounts[unit] = amount.read(text)
    end
    return amounts
  end

  function holds.texts(amounts)
    local texts = {}
    for unit, value in pairs(amounts) do
      texts[unit] = amount.text(value)
    end
    return texts
  end

  function holds.copy(amounts)
    local copied = {}
    for unit, value in pairs(amounts) do
      copied[unit] = value
    end
    return copied
  end

  local function restored(made, stands)
    return {
      made = made,
      stands = stands,
      amounts = read_amounts(stands.amounts),
      charged = stands.charged and read_amounts(stands.charged),
      uncovered = read_amounts(stands.uncovered),
    }
  end

  local function give_one_more_lease(hold)
    if hold.stands.state ~= 'ACTIVE' then
      return
    end
    local expires_ms = books.head.leap_ms + hold.made.ttl_ms
    if expires_ms > hold.stands.expires_ms then
      holds.move_lease(hold, expires_ms)
      books.enter('extend', hold, {}, 'clock')
    end
  end

  -- The hold of this id, or nil. After a leap of the clock it has one more lease.
  function holds.find(id)
    if not holds.by_id[id] then
      local found = redis.call('HMGET', books.row_key(id), 'made', 'stands')
      if not found[1] then
        return nil
      end
      local hold = restored(cmsgpack.unpack(found[1]), cmsgpack.unpack(found[2]))
      hold.id = id
      hold.scope = hold.made.scope
      hold.trace_id = hold.made.trace_id
      hold.price_version = hold.made.price_version
      holds.by_id[id] = hold
      give_one_more_lease(hold)
    end
    return holds.by_id[id]
  end

  function holds.get(id)
    local hold = holds.find(id)
    if not hold then
      books.refuse({code = 'NOT_FOUND'})
    end
    return hold
  end

  -- A new row.
  function holds.add(hold, call)
    holds.by_id[hold.id] = hold
    holds.set(hold, 'made', cmsgpack.pack(hold.made))
    holds.set(hold, 'call', call)
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

  function holds.lapses_ms(hold)
    return hold.stands.expires_ms + hold.made.grace_ms
  end

  function holds.is_uncertain(hold)
    return hold.stands.state == 'UNCERTAIN'
  end

  function holds.move_lease(hold, expires_ms)
    hold.stands.expires_ms = expires_ms
    holds.change(hold)
    books.later('ZADD', books.key('active'), string.format('%.0f', holds.lapses_ms(hold)), hold.id)
  end

  -- The moves of lib life: rules.life.MOVES. The state after, or a refusal.
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

  function holds.move(hold, kind)
    local after = MOVES[hold.stands.state][kind]
    if not after then
      books.refuse({code = 'FINALIZED', state = hold.stands.state})
    end
    return after
  end

  -- The hold is open, and its time for this is not over.
  function holds.check_lease(hold, kind, until_ms)
    local state = hold.stands.state
    if state == 'EXPIRED' or state == 'UNCERTAIN' then
      books.refuse({code = 'EXPIRED'})
    end
    holds.move(hold, kind)
    if books.now_ms > until_ms then
      books.refuse({code = 'EXPIRED'})
    end
  end

  function holds.left_ms(hold, expires_ms)
    if hold.stands.state ~= 'ACTIVE' then
      return 0
    end
    return math.max(0, expires_ms - books.now_ms)
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
    local reply = cmsgpack.unpack(found)
    if reply.payload ~= payload then
      books.refuse({code = 'MISMATCH'})
    end
    return reply.answer
  end

  function holds.keep_reply(hold, kind, key, payload, answer)
    holds.set(hold, kind .. ' ' .. key, cmsgpack.pack({payload = payload, answer = answer}))
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
      local fields = hold.fields or {}
      books.later('HSET', books.row_key(id), 'stands', cmsgpack.pack(stands), unpack(fields))
      hold.fields = nil
    end
    holds.changed = {}
  end)
end
