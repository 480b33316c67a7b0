-- include: lib/clock.lua
-- include: lib/books.lua

-- Whether the tenant of these books may spend.
local function look()
  return {status = books.head.tenant_status or 'ACTIVE'}
end

return books.look(look)
