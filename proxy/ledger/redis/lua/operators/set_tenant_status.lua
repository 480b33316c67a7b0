-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/once.lua
-- include: lib/holds.lua

-- Suspend, close or let go on the tenant of these books.
local request = cmsgpack.unpack(ARGV[1])

local function set_tenant_status()
  if once.is_done(request.key) then
    return nil
  end
  books.head.tenant_status = request.status ~= 'ACTIVE' and request.status or nil
  books.enter('set_tenant_status', {scope = request.scope}, {}, request.actor)
end

return books.change(set_tenant_status)
