-- include: lib/lazily.lua
-- include: lib/amount.lua
-- include: lib/clock.lua
-- include: lib/books.lua
-- include: lib/holds.lua

-- Keep a seal, unless another process has sealed its run meanwhile; and what windows held
-- there, if it is a checkpoint.
local request = cmsgpack.unpack(ARGV[1])

local function last_seq()
  local newest = redis.call('XREVRANGE', books.key('seals'), '+', '-', 'COUNT', 1)
  return newest[1] and tonumber(string.match(newest[1][1], '^%d+')) or 0
end

local function seal()
  if last_seq() ~= request.first_seq - 1 then
    return {went = 0}
  end
  local id = string.format('%.0f-0', request.last_seq)
  books.later('XADD', books.key('seals'), id, 'seal', request.seal)
  if request.checkpoint then
    books.later('HSET', books.key('checkpoints'), 'latest', request.checkpoint)
  end
  return {went = 1}
end

return books.tidy(seal)
