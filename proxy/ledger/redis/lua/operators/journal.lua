-- include: lib/clock.lua
-- include: lib/books.lua

-- A page of the journal, and what the windows are called that its postings name.
local request = cmsgpack.unpack(ARGV[1])

local function names_of(entries)
  local fields, seen = {}, {}
  for _, entry in ipairs(entries) do
    local flat = entry[2]
    for place = 1, #flat, 2 do
      if flat[place] == 'postings' then
        for number in string.gmatch(flat[place + 1], '%[(%d+),') do
          if not seen[number] then
            seen[number] = true
            fields[#fields + 1] = 'w:' .. number
          end
        end
      end
    end
  end
  local names = {}
  for place, record in ipairs(books.read(fields)) do
    if record then
      names[#names + 1] = {string.sub(fields[place], 3), record.name}
    end
  end
  return names
end

local function look()
  local start = string.format('(%.0f-0', request.after)
  local set = books.key('journal')
  local entries = redis.call('XRANGE', set, start, '+', 'COUNT', request.page)
  local names = names_of(entries)
  for _, entry in ipairs(entries) do
    entry[1] = string.match(entry[1], '^%d+')
  end
  return {entries = entries, names = names}
end

return books.look(look)
