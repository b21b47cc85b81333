-- Asks auth_sigra_verify who sent a request. The request passes with the identity headers, or gets nginx's response.
-- Without an answer of nginx it does not pass.
local url = "http://127.0.0.1:8080/verify"
local patience = 5000 -- ms; longer than timeout= of auth_sigra_postgres

-- The headers that the verdict depends on.
local asked_with = {
    "host", "cookie", "authorization", "accept", "upgrade", "x-requested-with", "origin", "referer", "sec-fetch-mode",
    "sec-fetch-dest", "sec-fetch-site", "sec-purpose", "purpose",
}
local identity = "^x%-auth%-"

local function refuse(txn, status, headers, body)
    local reply = txn:reply({status = status})
    for name, values in pairs(headers) do
        if name ~= "connection" and name ~= "content-length" and name ~= "transfer-encoding" then
            for _, value in pairs(values) do
                reply:add_header(name, value)
            end
        end
    end
    reply:set_body(body)
    txn:done(reply)
end

core.register_action("verify", {"http-req"}, function(txn)
    local sent = txn.http:req_get_headers()
    local headers = {
        ["x-forwarded-method"] = {txn.sf:method()},
        ["x-forwarded-uri"] = {txn.sf:pathq()},
        ["x-forwarded-host"] = {txn.sf:req_fhdr("host")},
        ["x-forwarded-proto"] = {txn.f:ssl_fc() == 1 and "https" or "http"},
    }
    for _, name in ipairs(asked_with) do
        for _, value in pairs(sent[name] or {}) do
            headers[name] = headers[name] or {}
            table.insert(headers[name], value)
        end
    end
    local asked, answer = pcall(function()
        return core.httpclient():get({url = url, headers = headers, timeout = patience})
    end)
    if not asked or not answer or not answer.status or answer.status < 200 then
        return refuse(txn, 503, {["retry-after"] = {"2"}}, "")
    end
    if answer.status ~= 200 then
        return refuse(txn, answer.status, answer.headers, answer.body or "")
    end
    for name, values in pairs(answer.headers) do
        if name:match(identity) then
            for _, value in pairs(values) do
                txn.http:req_set_header(name, value)
            end
        elseif name == "set-cookie" then
            for _, value in pairs(values) do
                txn:set_var("txn.set_cookie", value)
            end
        end
    end
end)
