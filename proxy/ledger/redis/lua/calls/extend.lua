-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/tenancy.lua
-- include: lib/holds.lua

-- Move the end of a lease from where it is.
local request = cmsgpack.unpack(ARGV[1])

local function extend()
  local hold = holds.get(request.id)
  local lease = holds.replay(hold, 'extend', request.key, request.payload)
  if not lease then
    tenancy.check_lasting(hold)
    holds.check_lease(hold, 'extend', hold.stands.expires_ms)
    local most = hold.made.max_extensions
    if most and hold.stands.extensions >= most then
      books.refuse({code = 'EXHAUSTED', extensions = hold.stands.extensions})
    end
    lease = {expires_ms = hold.stands.expires_ms + request.by_ms, payload = request.payload}
    hold.stands.extensions = hold.stands.extensions + 1
    holds.move_lease(hold, lease.expires_ms)
    books.enter('extend', hold, {})
    holds.keep_reply(hold, 'extend', request.key, lease)
  end
  return lease, {left_ms = holds.left_ms(hold, lease.expires_ms)}
end

return books.change(extend)
