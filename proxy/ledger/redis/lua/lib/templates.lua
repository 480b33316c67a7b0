-- Templates: budgets that are made for each scope they match. They stand in the hash by the
-- level that they end with, the most specific first, so that a scope looks at few and the
-- first match governs it: ScopePattern.matches and ScopePattern.specificity.
--
-- A line of a template or a budget: pattern, unit, period, order, allocated, overdraft_limit,
-- status, rollover_max, idle_ttl_ms. `order` sorts the budgets of a scope by unit and period.
local templates = lazily({}, function(templates)
  local function segments(path)
    local found = {}
    for segment in string.gmatch(path, '[^/]+') do
      found[#found + 1] = segment
    end
    return found
  end

  local function is_one(segment, wanted)
    if string.sub(wanted, -2) ~= ':*' then
      return segment == wanted
    end
    return #segment >= #wanted and string.sub(segment, 1, #wanted - 1) == string.sub(wanted, 1, -2)
  end

  local function matches(pattern, path, at_pattern, at_path)
    local wanted, segment = pattern[at_pattern], path[at_path]
    if not wanted then
      return not segment
    end
    if wanted ~= '**' then
      return segment
        and is_one(segment, wanted)
        and matches(pattern, path, at_pattern + 1, at_path + 1)
    end
    if matches(pattern, path, at_pattern + 1, at_path) then
      return true
    end
    return segment
      and string.sub(segment, 1, 4) ~= 'run:'
      and matches(pattern, path, at_pattern, at_path + 1)
  end

  -- The lines that govern a scope, one for each unit and period.
  function templates.governing(lines, scope)
    local found, seen = {}, {}
    local path = segments(scope)
    for _, line in ipairs(lines) do
      local kind = line.unit .. ' ' .. line.period
      if not seen[kind] and matches(segments(line.pattern), path, 1, 1) then
        seen[kind] = true
        found[#found + 1] = line
      end
    end
    return found
  end
end)
