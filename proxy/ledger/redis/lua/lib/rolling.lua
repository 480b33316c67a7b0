-- Rolling windows: what was spent counts until the bucket it fell into is all outside.
-- The hash keeps the buckets of a window flat: number, amount, number, amount.
local rolling = lazily({}, function(rolling)
  local BUCKETS = 60

  local function bucket_ms(account)
    return math.ceil(account.rolling_ms / BUCKETS)
  end

  local function current_bucket(account)
    return math.floor(books.now_ms / bucket_ms(account))
  end

  local function oldest_bucket(account)
    return math.floor((books.now_ms - account.rolling_ms) / bucket_ms(account))
  end

  local function read_flat(flat)
    local buckets = {}
    for place = 1, #flat, 2 do
      buckets[flat[place]] = amount.read(flat[place + 1])
    end
    return buckets
  end

  local function write(account)
    local flat = {}
    for number, spent in pairs(account.buckets) do
      flat[#flat + 1] = number
      flat[#flat + 1] = amount.text(spent)
    end
    books.write('buckets:' .. account.number, flat)
  end

  local function load_buckets(list)
    local missing, fields = {}, {}
    for _, account in ipairs(list) do
      if not account.buckets then
        missing[#missing + 1] = account
        fields[#fields + 1] = 'buckets:' .. account.number
      end
    end
    for place, flat in ipairs(books.read(fields)) do
      missing[place].buckets = read_flat(flat or {})
    end
  end

  local function add(account, spent)
    local now = current_bucket(account)
    account.buckets[now] = amount.plus(account.buckets[now] or amount.ZERO, spent)
  end

  -- What was spent is spent now; an operator who says otherwise says it of now as well.
  function rolling.count(account, change)
    if not change.spent or amount.is_zero(change.spent) then
      return
    end
    load_buckets({account})
    if amount.is_negative(change.spent) then
      account.buckets = {[current_bucket(account)] = account.spent}
    else
      add(account, change.spent)
    end
    write(account)
  end

  local function roll_one(account)
    local oldest = oldest_bucket(account)
    local kept, left = {}, amount.ZERO
    for number, spent in pairs(account.buckets) do
      if number < oldest then
        left = amount.plus(left, spent)
      else
        kept[number] = spent
      end
    end
    if amount.is_zero(left) then
      return
    end
    local change = allocation.roll(account, left)
    accounts.enter('roll', {account}, {change}, {scope = account.scope})
    account.buckets = kept
    local paid = amount.plus(left, change.spent)
    if not amount.is_zero(paid) then
      add(account, paid)
    end
    write(account)
  end

  -- Let the buckets go that are all outside of these windows, where they are rolling.
  function rolling.roll(list)
    local found = {}
    for _, account in ipairs(list) do
      if account.rolling_ms then
        found[#found + 1] = account
      end
    end
    load_buckets(found)
    for _, account in ipairs(found) do
      roll_one(account)
    end
    return found
  end
end)

function accounts.on_change(account, change)
  if account.rolling_ms then
    rolling.count(account, change)
  end
end
