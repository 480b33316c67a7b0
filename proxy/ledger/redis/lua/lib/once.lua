-- What operators say, and nobody asks again for the answer of: it is done once for each key.
local once = {}

-- An operation whose reply was lost is asked again; it leaves one entry.
function once.is_done(key)
  local name = 'status ' .. key
  if redis.call('EXISTS', books.key('f:' .. name)) == 1 then
    return true
  end
  books.later('SET', books.key('f:' .. name), '')
  books.later('ZADD', books.key('funded'), string.format('%.0f', books.now_ms), name)
  return false
end
