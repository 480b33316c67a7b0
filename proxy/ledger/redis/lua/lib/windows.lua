-- Windows begin here. Lua knows no time zones: of a calendar's window the caller says where it
-- starts and ends, in ARGV[2], and this checks that the time is inside. What it has not said,
-- or said wrong, goes back to it as WRONG_WINDOW.
local windows = lazily({}, function(windows)
  windows.wanting = {}

  local function is_for_ever(period)
    return period == 'lifetime' or string.sub(period, 1, 8) == 'rolling:'
  end

  -- What the caller said, by period and the end of the window before (0 for none).
  local function told()
    if not windows.by_need then
      windows.by_need = {}
      local list = ARGV[2] and ARGV[2] ~= '' and cmsgpack.unpack(ARGV[2]) or {}
      for _, window in ipairs(list) do
        windows.by_need[window.period .. ' ' .. window.after_ms] = window
      end
    end
    return windows.by_need
  end

  -- The window of a period that is on now: start_ms, end_ms, and how many were skipped after the
  -- one that ended at `after_ms`. Nil when the caller has to say it first.
  function windows.at(period, after_ms)
    if is_for_ever(period) then
      return {start_ms = 0, skipped = 0}
    end
    local need = {period = period, after_ms = after_ms or 0}
    local window = told()[need.period .. ' ' .. need.after_ms]
    if window and window.start_ms <= books.now_ms and books.now_ms < window.end_ms then
      return window
    end
    windows.wanting[#windows.wanting + 1] = need
    return nil
  end

  -- To be called before anything is decided.
  function windows.check()
    if #windows.wanting > 0 then
      books.refuse({code = 'WRONG_WINDOW', now_ms = books.now_ms, needs = windows.wanting})
    end
  end

  -- What a window is called: scope, unit, period, when it starts and when it ends.
  local function name_of(terms, window)
    local start_ms = string.format('%.0f', window.start_ms)
    local end_ms = window.end_ms and string.format('%.0f', window.end_ms) or '-'
    return table.concat({terms.scope, terms.unit, terms.period, start_ms, end_ms}, ' ')
  end

  -- The account of a budget's new window, which hands on what the one before leaves.
  function windows.begin(budget, terms, window, before)
    local rolling_ms = tonumber(string.match(terms.period, '^rolling:(%d+)$'))
    local account = accounts.of(books.next_number(), {
      budget = budget,
      name = name_of(terms, window),
      end_ms = window.end_ms,
      rolling_ms = rolling_ms,
    }, terms)
    accounts.by_number[account.number] = account
    terms.window = account.number
    terms.windows = (terms.windows or 0) + 1
    local begins = allocation.open(
      amount.read(terms.allocated),
      before,
      window.skipped,
      amount.read(terms.rollover_max)
    )
    local changed, changes = {account}, {begins.opening}
    if before and accounts.moves(begins.closing) then
      changed, changes = {before, account}, {begins.closing, begins.opening}
    end
    accounts.enter('open', changed, changes, {scope = terms.scope})
    if before then
      accounts.note_past(before)
      local end_ms = string.format('%.0f', before.record.end_ms)
      books.later('ZADD', books.key('over'), end_ms, before.number)
    end
    return account
  end
end)
