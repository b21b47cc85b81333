-- For wrk: each request with the next cookie of the file that BENCH_COOKIES names, from the line BENCH_FROM on; without
-- a file, one request for all. With BENCH_REPEAT each session is asked for so many times, as a page and what it wants
-- are by a browser: 64 of them take turns, more than there are connections, so that no two requests of one session are
-- under way at once. What done() prints is read by Sigra::Bench.

local most = 150000 -- more than are asked for in one measurement
local together = 64
local repeats = tonumber(os.getenv("BENCH_REPEAT") or "1")
local requests, asked = {}, 0

function init()
    local name = os.getenv("BENCH_COOKIES")
    if not name or name == "" then
        requests[1] = wrk.format("GET")
        return
    end
    local headers = {}
    for key, value in pairs(wrk.headers) do headers[key] = value end
    local from, count = tonumber(os.getenv("BENCH_FROM")), 0
    for pass = 1, 2 do -- the lines before BENCH_FROM come last
        local line_number = 0
        for line in io.lines(name) do
            local is_later = line_number >= from
            if count < most and is_later == (pass == 1) then
                count = count + 1
                headers["Cookie"] = line
                requests[count] = wrk.format("GET", nil, headers)
            end
            line_number = line_number + 1
        end
    end
end

function request()
    local at = asked
    if repeats > 1 then
        at = math.floor(asked / (together * repeats)) * together + asked % together
    end
    asked = asked + 1
    return requests[at % #requests + 1]
end

function done(summary)
    local errors = summary.errors
    print(string.format("bench %d %d %d %d", summary.requests, summary.duration, summary.bytes,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
