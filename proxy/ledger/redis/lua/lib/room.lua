-- What time and room do to windows, whoever asks for them. Most windows roll and owe nothing,
-- so what does it is only looked into when one does.
local room = {}
do
  -- rules.settlement.may_repay
  local function may_repay(account)
    if amount.is_zero(account.uncovered) then
      return account.is_over_limit
    end
    return amount.is_positive(accounts.remaining(account))
  end

  -- Where these windows have room again, charge what they owe, oldest first.
  function room.repay(list)
    local roomy = {}
    for _, account in ipairs(list) do
      if may_repay(account) then
        roomy[#roomy + 1] = account
      end
    end
    if #roomy > 0 then
      arrears.repay(roomy)
    end
  end

  -- What any operation does first: rolling windows let go, and pay with the room.
  function room.settle(list)
    for _, account in ipairs(list) do
      if account.rolling_ms then
        room.repay(rolling.roll(list))
        return
      end
    end
  end

  -- Remember that a settled hold was not covered; what it owed before as well.
  function room.owe(hold)
    for _, lacking in pairs(hold.uncovered) do
      if amount.is_positive(lacking) then
        arrears.owe(hold)
        return
      end
    end
  end
end
