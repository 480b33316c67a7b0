-- What a key of the tenant was used for. `k:<key>` is the id of the row that it made; or a mark
-- and the packed answer that is remembered under it: payload and text. So no key is both, and
-- one command tells. Of answers `…:remembered` has the keys, by when they may go.
local keys = {}

local MARK = '='

-- The id of a row, or nil; and what is remembered, or nil.
function keys.find(key)
  local found = redis.call('GET', books.key('k:' .. key))
  if not found then
    return nil
  end
  if string.sub(found, 1, 1) ~= MARK then
    return found
  end
  return nil, cmsgpack.unpack(string.sub(found, 2))
end

-- Of answers that are remembered.
lazily(keys, function()
  -- What is remembered under a key for this payload, or nil.
  function keys.recall(key, payload)
    local id, remembered = keys.find(key)
    if id or (remembered and remembered.payload ~= payload) then
      books.refuse({code = 'MISMATCH'})
    end
    return remembered and remembered.text
  end

  function keys.remember(key, payload, text, until_ms)
    local packed = cmsgpack.pack({payload = payload, text = text})
    books.later('SET', books.key('k:' .. key), MARK .. packed)
    books.later('ZADD', books.key('remembered'), string.format('%.0f', until_ms), key)
  end

  -- Let go of an answer. A hold that was restored after a failover may have its key by now.
  function keys.forget(key)
    local _, remembered = keys.find(key)
    if remembered then
      books.later('DEL', books.key('k:' .. key))
    end
    books.later('ZREM', books.key('remembered'), key)
  end
end)
