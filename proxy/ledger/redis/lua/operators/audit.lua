-- include: lib/clock.lua
-- include: lib/books.lua

-- A page of what `verify` recomputes: windows, or rows. seq: the last entry that is in them;
-- pruned: how often rows have gone, which no entry tells.
local request = cmsgpack.unpack(ARGV[1])

local function read_windows(cursor)
  local reply = redis.call('HSCAN', books.hash, cursor, 'MATCH', 'w:*', 'COUNT', request.page)
  local windows, fields = {}, {}
  for place = 1, #reply[2], 2 do
    local record = cmsgpack.unpack(reply[2][place + 1])
    record.number = string.sub(reply[2][place], 3)
    windows[#windows + 1] = record
    fields[#fields + 1] = 'b:' .. record.budget
    fields[#fields + 1] = 'buckets:' .. record.number
  end
  local records = books.read(fields)
  for place, window in ipairs(windows) do
    window.is_retired = records[2 * place - 1].is_retired or false
    window.buckets = records[2 * place] or nil
  end
  return reply[1], windows
end

local function read_rows(cursor)
  local start = books.row_key('')
  local reply = redis.call('SCAN', cursor, 'MATCH', start .. '*', 'COUNT', request.page)
  local rows = {}
  for _, key in ipairs(reply[2]) do
    local texts = redis.call('HMGET', key, 'made', 'stands', 'state', 'key')
    rows[#rows + 1] = {
      id = string.sub(key, #start + 1),
      windows = cmsgpack.unpack(texts[1]).windows,
      stands = cmsgpack.unpack(texts[2]),
      state = texts[3],
      key = texts[4],
    }
  end
  return reply[1], rows
end

local function look()
  local read = request.of == 'windows' and read_windows or read_rows
  local cursor, found = read(request.cursor)
  return {cursor = cursor, found = found, seq = books.head.seq, pruned = books.head.pruned}
end

return books.look(look)
