-- Amounts: int64 and somewhat beyond, exact. A number of Lua is a double and holds 53 bits, so
-- an amount is two of them: value = high * 10^9 + low, with 0 <= low < 10^9. Amounts are never
-- changed; they travel and are stored as decimal text, and zero is stored as nothing.
local LIMB = 1000000000

local amount = {
  ZERO = {0, 0},
  MAX = {9223372036, 854775807},
  MIN = {-9223372037, 145224192},
}

-- The amount of these limbs, whose low one may be negative or too large.
function amount.of(high, low)
  local carry = math.floor(low / LIMB)
  return {high + carry, low - carry * LIMB}
end

local function read_limbs(digits)
  if #digits <= 9 then
    return 0, tonumber(digits)
  end
  return tonumber(string.sub(digits, 1, -10)), tonumber(string.sub(digits, -9))
end

function amount.read(text)
  if not text then
    return amount.ZERO
  end
  if string.byte(text) == 45 then
    local high, low = read_limbs(string.sub(text, 2))
    return amount.of(-high, -low)
  end
  return {read_limbs(text)}
end

function amount.text(value)
  local high, low = value[1], value[2]
  local sign = ''
  if high < 0 then
    sign = '-'
    high, low = -high, -low
    if low < 0 then
      high, low = high - 1, low + LIMB
    end
  end
  if high == 0 then
    return string.format('%s%d', sign, low)
  end
  return string.format('%s%d%09d', sign, high, low)
end

-- As records keep it: text, or nothing.
function amount.kept(value)
  if value[1] == 0 and value[2] == 0 then
    return nil
  end
  return amount.text(value)
end

function amount.plus(one, other)
  local high, low = one[1] + other[1], one[2] + other[2]
  if low >= LIMB then
    high, low = high + 1, low - LIMB
  end
  return {high, low}
end

function amount.minus(one, other)
  local high, low = one[1] - other[1], one[2] - other[2]
  if low < 0 then
    high, low = high - 1, low + LIMB
  end
  return {high, low}
end

function amount.negative(value)
  return amount.minus(amount.ZERO, value)
end

function amount.less(one, other)
  return one[1] < other[1] or (one[1] == other[1] and one[2] < other[2])
end

function amount.min(one, other)
  return amount.less(other, one) and other or one
end

function amount.max(one, other)
  return amount.less(one, other) and other or one
end

function amount.is_zero(value)
  return value[1] == 0 and value[2] == 0
end

function amount.is_positive(value)
  return value[1] > 0 or (value[1] == 0 and value[2] > 0)
end

function amount.is_negative(value)
  return value[1] < 0
end

-- Whether it fits into int64.
function amount.is_within(value)
  return not amount.less(amount.MAX, value) and not amount.less(value, amount.MIN)
end

-- value * per_cent / 100, rounded down; per_cent is 1 to 100.
function amount.share(value, per_cent)
  local high = value[1] * per_cent
  local whole = math.floor(high / 100)
  local rest = (high - whole * 100) * LIMB + value[2] * per_cent
  return amount.of(whole, math.floor(rest / 100))
end

-- value * count, for what is not negative. Beyond some 900,000 the count makes no difference:
-- it is of windows that passed unused, and the shortest is an hour.
function amount.times(value, count)
  count = math.min(count, 900000)
  return amount.of(value[1] * count, value[2] * count)
end
