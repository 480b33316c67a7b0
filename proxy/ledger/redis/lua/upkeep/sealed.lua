-- include: lib/clock.lua
-- include: lib/books.lua

-- What is closed of the journal. `…:seals` is a stream whose ids are `<last_seq>-0`; the hash
-- `…:checkpoints` has what windows held at the latest checkpoint, and at the one up to which
-- entries went.
local request = cmsgpack.unpack(ARGV[1])

local function seals(after)
  local start = string.format('(%.0f-0', after)
  local page = {'COUNT', request.page}
  local found = {}
  for _, entry in ipairs(redis.call('XRANGE', books.key('seals'), start, '+', unpack(page))) do
    found[#found + 1] = entry[2][2]
  end
  return found
end

local function last_seal()
  local newest = redis.call('XREVRANGE', books.key('seals'), '+', '-', 'COUNT', 1)
  return newest[1] and newest[1][2][2] or nil
end

local function look()
  local places = redis.call('HMGET', books.key('checkpoints'), 'latest', 'pruned')
  local first = redis.call('XRANGE', books.key('journal'), '-', '+', 'COUNT', 1)
  return {
    seals = request.after and seals(request.after) or {},
    last = last_seal(),
    latest = places[1] or nil,
    pruned = places[2] or nil,
    first_seq = first[1] and tonumber(string.match(first[1][1], '^%d+')) or nil,
    last_seq = books.head.seq,
  }
end

return books.look(look)
