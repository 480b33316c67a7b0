-- What may be asked for a tenant that is suspended or closed: rules.tenancy. The status stands
-- in the head, which is read anyway; nobody wrote one where it is ACTIVE. One that cannot be
-- read stops what it may stop: the caller says so.
local tenancy = {}

local function refuse(status)
  local tenant = string.match(books.prefix, '{t:(.*)}:$')
  books.refuse({code = 'TENANT', tenant = tenant, status = status})
end

-- A new hold, more of one, or an event that is not spent yet.
function tenancy.check_new()
  if books.head.tenant_status then
    refuse(books.head.tenant_status)
  end
end

-- A longer lease for a hold that is there, or its end. The proxy's own holds stand for calls
-- that may be billed: those are always settled.
function tenancy.check_lasting(hold)
  local status = books.head.tenant_status
  if status and status ~= 'SUSPENDED' and hold.made.on_expiry == 'release' then
    refuse(status)
  end
end
