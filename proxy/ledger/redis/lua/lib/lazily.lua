-- Parts that few operations need are made when they are first looked into: a script runs from
-- its top each time, and every function that it makes costs time. `define` adds to the part.
local function lazily(part, define)
  return setmetatable(part, {
    __index = function(_, name)
      setmetatable(part, nil)
      define(part)
      return part[name]
    end,
  })
end
