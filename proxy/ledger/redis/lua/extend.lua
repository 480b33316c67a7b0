-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/holds.lua

-- Move the end of a lease from where it is.
local request = cmsgpack.unpack(ARGV[1])

local function extend()
  local hold = holds.get(request.id)
  local expires_ms = holds.replay(hold, 'extend', request.key, request.payload)
  if not expires_ms then
    holds.check_lease(hold, 'extend', hold.stands.expires_ms)
    local most = hold.made.max_extensions
    if most and hold.stands.extensions >= most then
      books.refuse({code = 'EXHAUSTED', extensions = hold.stands.extensions})
    end
    expires_ms = hold.stands.expires_ms + request.by_ms
    hold.stands.extensions = hold.stands.extensions + 1
    holds.move_lease(hold, expires_ms)
    books.enter('extend', hold, {})
    holds.keep_reply(hold, 'extend', request.key, request.payload, expires_ms)
  end
  return {expires_ms = expires_ms, left_ms = holds.left_ms(hold, expires_ms)}
end

return books.change(extend)
