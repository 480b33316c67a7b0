-- The books of one tenant, for one operation: what it reads, what it will write, and its answer.
-- Everything is read and decided first and written last, so an operation that is refused has
-- changed nothing, and none can fail half-way.
--
-- The hash `…:budgets` has
--   head               the clock, the counters, and which configuration is in force
--   s:<scope>          the budgets of a scope
--   b:<number>         a budget: its terms, and what configuration said of it last
--   w:<number>         one window of a budget: its amounts
--   buckets:<number>   what was spent in a rolling window, by when
--   t:<level>          the templates for scopes that end with this level
-- Names of other keys follow from that of the hash and an id; all are in its slot. Records are
-- MessagePack, amounts in them decimal text.
local LEAP_MS = 3600000

local books = {
  hash = KEYS[1],
  prefix = string.sub(KEYS[1], 1, -#'budgets' - 1),
  entries = {},
  records = {},
  gone = {},
  commands = {},
  writers = {},
}

-- A step that turns what a file keeps in memory into records, once all is decided.
function books.at_end(write)
  books.writers[#books.writers + 1] = write
end

function books.key(name)
  return books.prefix .. name
end

function books.row_key(id)
  return books.prefix .. 'r:' .. id
end

local function unpacked(text)
  return text and cmsgpack.unpack(text) or nil
end

local function read_head()
  local head = unpacked(redis.call('HGET', books.hash, 'head'))
  books.is_new = head == nil
  return head or {
    clock_ms = 0,
    leap_ms = 0,
    seq = 0,
    numbers = 0,
    rows = 0,
    pruned = 0,
    version = 0,
    levels = {},
    templates = 0,
    templates_made = 0,
    templates_max = 0,
  }
end

-- The time now, which never runs back; the answer says how far it has leaped, or 0. A leap is
-- remembered, so that whoever holds has one more lease. Source: docs/semantics.md, "Budgets".
local function set_clock(wall_ms)
  local head = read_head()
  local recorded_ms = head.clock_ms
  books.head = head
  books.now_ms = math.max(recorded_ms, wall_ms)
  head.clock_ms = books.now_ms
  local step_ms = recorded_ms > 0 and books.now_ms - recorded_ms or 0
  return step_ms > LEAP_MS and step_ms or 0
end

-- The records of these fields, in their order; false for one that is not there.
function books.read(fields)
  local found = {}
  for first = 1, #fields, 1000 do
    local last = math.min(first + 999, #fields)
    local texts = redis.call('HMGET', books.hash, unpack(fields, first, last))
    for place = 1, last - first + 1 do
      found[first + place - 1] = unpacked(texts[place]) or false
    end
  end
  return found
end

function books.write(field, record)
  books.records[field] = record
end

function books.drop(field)
  books.records[field] = nil
  books.gone[#books.gone + 1] = field
end

-- A command that is given once everything is decided.
function books.later(...)
  books.commands[#books.commands + 1] = {...}
end

-- Numbers are kept as text: they stand in names of fields, and making text of one takes long.
function books.next_number()
  books.head.numbers = books.head.numbers + 1
  return string.format('%.0f', books.head.numbers)
end

-- An entry of the journal. `about` says whose it is: scope, and id, trace and price of a hold.
function books.enter(kind, about, postings, actor)
  books.entries[#books.entries + 1] = {
    'kind', kind,
    'at', books.now_ms,
    'rid', about.id or '',
    'scope', about.scope,
    'actor', actor or '',
    'trace', about.trace_id or '',
    'price', about.price_version or '',
    'postings', '[' .. table.concat(postings, ',') .. ']',
  }
end

function books.refuse(refusal)
  error({refusal = refusal})
end

local function write_fields()
  local values = {'head', cmsgpack.pack(books.head)}
  for field, record in pairs(books.records) do
    values[#values + 1] = field
    values[#values + 1] = cmsgpack.pack(record)
  end
  for first = 1, #values, 1000 do
    redis.call('HSET', books.hash, unpack(values, first, math.min(first + 999, #values)))
  end
  for first = 1, #books.gone, 1000 do
    redis.call('HDEL', books.hash, unpack(books.gone, first, math.min(first + 999, #books.gone)))
  end
end

local function write_all()
  for _, write in ipairs(books.writers) do
    write()
  end
  local journal = books.key('journal')
  local seq = books.head.seq
  books.head.seq = seq + #books.entries
  write_fields()
  for _, command in ipairs(books.commands) do
    redis.call(unpack(command))
  end
  for place, entry in ipairs(books.entries) do
    redis.call('XADD', journal, string.format('%.0f-0', seq + place), unpack(entry))
  end
end

-- A refusal changes nothing; only the clock goes on, where there is one.
local function write_clock()
  set_clock(books.now_ms)
  if not books.is_new then
    redis.call('HSET', books.hash, 'head', cmsgpack.pack(books.head))
  end
end

-- Told when the clock has leaped; lib/holds.lua listens.
function books.on_leap() end

-- What a leap of the clock does stands by itself, whatever becomes of the operation.
local function leap()
  books.head.leap_ms = books.now_ms
  books.on_leap()
  write_all()
  books.entries, books.records, books.commands = {}, {}, {}
  set_clock(books.now_ms)
end

-- The code of the answer, its body, and what belongs to it and is not kept with a first answer.
local function decided(operation)
  local is_done, outcome, beside = pcall(operation)
  if is_done then
    return 'OK', outcome, beside
  end
  if type(outcome) == 'table' and outcome.refusal then
    return outcome.refusal.code, outcome.refusal
  end
  error(outcome, 0)
end

local function answered(code, body, beside, leap_ms)
  local packed = type(body) == 'string' and body or cmsgpack.pack(body)
  return {code, packed, beside and cmsgpack.pack(beside) or '', leap_ms}
end

-- What the operation answers, once all that it changes is written; or what `view` answers after
-- that, of which nothing is written.
function books.change(operation, view)
  local leap_ms = set_clock(clock.wall_ms())
  if leap_ms > 0 then
    leap()
  end
  local code, body, beside = decided(operation)
  if code == 'OK' then
    write_all()
    if view then
      body, beside = view()
    end
  elseif code ~= 'WRONG_WINDOW' then
    write_clock()
  end
  return answered(code, body, beside, leap_ms)
end

-- What an operation answers that only puts things away. Where `went` says that there was nothing,
-- nothing is written, not even the time.
function books.tidy(operation)
  local leap_ms = set_clock(clock.wall_ms())
  local code, body = decided(operation)
  if body.went == 0 then
    return answered(code, body, nil, 0)
  end
  if leap_ms > 0 then
    books.head.leap_ms = books.now_ms
    books.on_leap()
  end
  write_all()
  return answered(code, body, nil, leap_ms)
end

-- What the operation answers; nothing is written.
function books.look(operation)
  set_clock(clock.wall_ms())
  local code, body, beside = decided(operation)
  return answered(code, body, beside, 0)
end
