-- Remember whose books there are, or tell; and whether a row is in the books of a tenant.
if ARGV[1] == 'remember' then
  redis.call('SADD', KEYS[1], ARGV[2])
  return {'OK'}
end
if ARGV[1] == 'has' then
  return {redis.call('EXISTS', string.sub(KEYS[1], 1, -#'budgets' - 1) .. 'r:' .. ARGV[2])}
end
return redis.call('SMEMBERS', KEYS[1])
