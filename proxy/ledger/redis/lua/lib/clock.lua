-- The store's own time; nobody else's counts.
local clock = {}

function clock.wall_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
