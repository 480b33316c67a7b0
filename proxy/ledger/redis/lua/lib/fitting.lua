-- What of a request's plan fits into the budgets of its subject; in memory, nothing is held.
local fitting = {}

local function read_plan(request)
  local plan = {}
  for number, spans in ipairs(request.plan) do
    local rung = {}
    for _, span in ipairs(spans) do
      rung[span[1]] = {minimum = amount.read(span[2]), want = amount.read(span[3])}
    end
    plan[number] = rung
  end
  return plan
end

-- In a unit that is free a budget holds nothing; it is made and read only when it refuses.
local function without_free(names, free)
  local paid = {}
  local is_stopped = false
  for _, name in ipairs(names) do
    if not free[name.unit] then
      paid[#paid + 1] = name
    elseif rows.is_stopped(name) then
      is_stopped = true
    end
  end
  return is_stopped and names or paid
end

-- The accounts to hold in, the number of the first rung that fits, and its amounts by unit.
function fitting.find(request)
  tenancy.check_new()
  local free = rows.set_of(request.free)
  local names = rows.names(request, #request.free == 0)
  local list = budgets.ensure(without_free(names, free))
  room.settle(list)
  local plan = read_plan(request)
  local rung, amounts = admission.grant(list, plan, request.max_share_pct, free, {})
  budgets.check_templates()
  return list, rung, amounts
end
