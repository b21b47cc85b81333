-- For wrk: requests of one case, or of some that take turns, so that what the machine does besides falls on all alike.
-- Each argument is a case: its path, how often a session is asked for in a row, the first line of the file with the
-- cookies, and the file, a Cookie header's value a line; without a file, the same request each time. A session that is
-- asked for some times in a row stands for a browser, which wants a page and what belongs to it: 64 of them take turns,
-- more than there are connections, so that no two requests of one session are under way at once.
--
-- BENCH_SERVING has the processes whose time on the processor counts. What done() prints is read by Sigra::Bench.

local most = 150000 -- cookies: more than are asked for in one measurement
local together = 64
local turn = tonumber(os.getenv("BENCH_TURN") or "640") -- requests
local settling = turn / 10 -- at its begin, not counted: answers to the last turn's requests are among theirs
local cases = {}
local current, asked = 1, 0
local began, served_before

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, nanoseconds; } sigra_moment; int clock_gettime(int clock, sigra_moment *now);")
local monotonic, moment = 1, ffi.new("sigra_moment")

local function now()
    ffi.C.clock_gettime(monotonic, moment)
    return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local serving = {}
for pid in (os.getenv("BENCH_SERVING") or ""):gmatch("%d+") do
    serving[#serving + 1] = "/proc/" .. pid .. "/schedstat"
end

local function served()
    local sum = 0
    for _, name in ipairs(serving) do
        local file = io.open(name)
        if file then
            sum = sum + file:read("*n")
            file:close()
        end
    end
    return sum / 1e9
end

local function requests_of(path, from, name)
    if name == "" then return { wrk.format("GET", path) } end
    local headers, requests = {}, {}
    for key, value in pairs(wrk.headers) do headers[key] = value end
    for pass = 1, 2 do -- the lines before `from` come last
        local line_number = 0
        for line in io.lines(name) do
            local is_later = line_number >= from
            if #requests < most and is_later == (pass == 1) then
                headers["Cookie"] = line
                requests[#requests + 1] = wrk.format("GET", path, headers)
            end
            line_number = line_number + 1
        end
    end
    return requests
end

local thread
function setup(it) thread = it end

function init(arguments)
    for _, argument in ipairs(arguments) do
        local path, repeats, from, name = argument:match("^([^,]*),(%d+),(%d+),(.*)$")
        cases[#cases + 1] = {
            requests = requests_of(path, tonumber(from), name),
            repeats = tonumber(repeats), asked = 0, counted = 0, seconds = 0, served = 0,
        }
    end
end

-- Global: done() is beside the thread and takes it from there.
turns = ""

local function next_turn()
    local case = cases[current]
    case.counted = case.counted + turn - settling
    case.seconds = case.seconds + now() - began
    case.served = case.served + served() - served_before
    current, asked = current % #cases + 1, 0
    local lines = {}
    for i, it in ipairs(cases) do
        lines[i] = string.format("turns %d %d %d", it.counted, it.seconds * 1e6, it.served * 1e6)
    end
    turns = table.concat(lines, "\n")
end

function request()
    if #cases > 1 then
        if asked == turn then next_turn() end
        if asked == settling then began, served_before = now(), served() end
        asked = asked + 1
    end
    local case = cases[current]
    local at = case.asked
    if case.repeats > 1 then
        at = math.floor(at / (together * case.repeats)) * together + at % together
    end
    case.asked = case.asked + 1
    return case.requests[at % #case.requests + 1]
end

function done(summary)
    local errors = summary.errors
    print(string.format("bench %d %d %d %d", summary.requests, summary.duration, summary.bytes,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
    print(thread:get("turns"))
end
