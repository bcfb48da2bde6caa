-- ARGV: index (name below the base), after ('-' or '(key'), count, bot ('': any), flow, state (JSON or '')
-- -> the last key looked at ('': that was all), then flat: key, row, index, entries in the outbox
local page = redis.call('ZRANGEBYLEX', KEYS[1] .. ARGV[1], ARGV[2], '+', 'LIMIT', 0, ARGV[3])
local flow = ARGV[5] ~= '' and cjson.decode(ARGV[5])[1]
local state = ARGV[6] ~= '' and cjson.decode(ARGV[6])[1]

local function fits(index)
  if not flow and not state then return true end
  for _, entry in ipairs(cjson.decode(index)) do
    if (not flow or entry[1] == flow) and (not state or entry[2] == state) then return true end
  end
  return false
end

local out = {#page == tonumber(ARGV[3]) and page[#page] or ''}
for _, key in ipairs(page) do
  if ARGV[4] == '' or string.match(key, '[^:]*$') == ARGV[4] then
    local found = redis.call('HMGET', KEYS[1] .. ':row:' .. key, 'b', 'i')
    if found[1] and fits(found[2]) then
      local waiting = redis.call('LLEN', KEYS[1] .. ':outbox:' .. key)
      for _, part in ipairs({key, found[1], found[2], waiting}) do out[#out + 1] = part end
    end
  end
end
return out
