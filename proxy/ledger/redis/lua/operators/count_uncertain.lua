-- include: lib/clock.lua
-- include: lib/books.lua

-- How many holds are uncertain.
local function look()
  return {count = redis.call('ZCARD', books.key('uncertain'))}
end

return books.look(look)
