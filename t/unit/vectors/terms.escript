#!/usr/bin/env escript
%% terms.escript >terms.json: sessions as Erlang writes them, and what Plug does
%% with them: `kept`, or `dropped` if the session contains a port or a function.
%% `refused`: binary_to_term() does not read it.
%% Needs erlang-base; made with OTP 25.
-mode(compile).

main(_) ->
    Rows = [session(Name, Value) || {Name, Value} <- values()]
        ++ [key(Name, Key) || {Name, Key} <- keys()]
        ++ [raw(Name, Bytes) || {Name, Bytes} <- raws()],
    io:format("[~n~s~n]~n", [lists:join(",\n", Rows)]).

token() -> list_to_binary(lists:seq(1, 32)).

session(Name, Value) ->
    row(Name, #{<<"user_token">> => token(), <<"x">> => Value}).

key(Name, Key) ->
    row("key_" ++ Name, #{<<"user_token">> => token(), Key => 1}).

row(Name, Term) ->
    Expect = case executable(Term) of true -> "dropped"; false -> "kept" end,
    line(Name, term_to_binary(Term), Expect).

%% A session with these bytes in place of a value.
raw(Name, Bytes) ->
    Token = token(),
    All = <<131, 116, 2:32, 109, 10:32, "user_token", 109, 32:32,
            Token/binary, 109, 1:32, "x", Bytes/binary>>,
    Expect = try binary_to_term(All) of _ -> "kept" catch _:_ -> "refused" end,
    line("raw_" ++ Name, All, Expect).

line(Name, Bytes, Expect) ->
    Hex = [io_lib:format("~2.16.0b", [B]) || <<B>> <= Bytes],
    io_lib:format(" {\"name\": \"~s\", \"expect\": \"~s\", \"hex\": \"~s\"}",
                  [Name, Expect, Hex]).

%% True for terms on which Plug.Crypto.non_executable_binary_to_term/2 raises.
executable(T) when is_function(T); is_port(T) -> true;
executable([H | T]) -> executable(H) orelse executable(T);
executable(T) when is_tuple(T) -> executable(tuple_to_list(T));
executable(T) when is_map(T) -> executable(maps:to_list(T));
executable(_) -> false.

values() ->
    [{"bits_1", <<1:1>>}, {"bits_7", <<5:7>>}, {"bits_13", <<4097:13>>},
     {"pid", self()}, {"reference", make_ref()}, {"alias", alias()},
     {"pid_of_another_node", pid_of('app@10.0.0.7')},
     {"pid_of_a_latin1_node", pid_of('caf\x{e9}@host')},
     {"port", hd(erlang:ports())}, {"fun", fun(X) -> X end},
     {"fun_with_a_variable", closure(token())},
     {"external_fun", fun lists:map/2},
     {"fun_in_a_list", [1, {fun lists:map/2}]},
     {"tuples_65", nested(65, fun(T) -> {T} end)},
     {"tuples_900", nested(900, fun(T) -> {T} end)},
     {"lists_300", nested(300, fun(T) -> [T] end)},
     {"tails_300", nested(300, fun(T) -> [[] | T] end)},
     {"maps_150", nested(150, fun(T) -> #{<<"k">> => T} end)},
     {"all_in_one", {self(), [make_ref() | <<3:2>>], #{self() => <<>>}}},
     {"old_float", 0.1}, {"big", 1 bsl 2100}].

keys() ->
    [{"bits", <<1:1>>}, {"pid", self()}, {"reference", make_ref()},
     {"tuples_300", nested(300, fun(T) -> {T} end)},
     {"lists_300", nested(300, fun(T) -> [T] end)},
     {"maps_7", nested(7, fun(T) -> #{T => 1} end)}].

raws() ->
    Node = <<119, 13, "nonode@nohost">>,
    Old = <<100, 13:16, "nonode@nohost">>,
    [{"pid_103", <<103, Old/binary, 1:32, 2:32, 0>>},
     {"pid_88", <<88, Node/binary, 1:32, 2:32, 0:32>>},
     {"pid_cut_off", <<88, Node/binary, 1:32, 2:32, 0:24>>},
     {"pid_of_no_node", <<88, 97, 1, 1:32, 2:32, 0:32>>},
     {"pid_of_a_pid", <<88, 88, Node/binary, 1:32, 2:32, 0:32,
                        1:32, 2:32, 0:32>>},
     {"reference_101", <<101, Old/binary, 1:32, 0>>},
     {"reference_114", <<114, 3:16, Old/binary, 0, 1:32, 2:32, 3:32>>},
     {"reference_90", <<90, 3:16, Node/binary, 0:32, 1:32, 2:32, 3:32>>},
     {"reference_of_6", <<90, 6:16, Node/binary, 0:224>>},
     {"bits_9", <<77, 1:32, 9, 255>>}, {"bits_0", <<77, 1:32, 0, 255>>},
     {"no_bits", <<77, 0:32, 3>>},
     {"one_reference_twice_as_a_key",
      <<116, 2:32,
        114, 3:16, Old/binary, 0, 1:32, 2:32, 3:32, 97, 1,
        90, 3:16, Node/binary, 0:32, 1:32, 2:32, 3:32, 97, 1>>},
     {"one_pid_twice_as_a_key",
      <<116, 2:32, 103, Old/binary, 1:32, 2:32, 0, 97, 1,
        88, Node/binary, 1:32, 2:32, 0:32, 97, 1>>},
     {"bits_twice_as_a_key",
      <<116, 2:32, 77, 1:32, 3, 255, 97, 1, 77, 1:32, 3, 224, 97, 1>>},
     {"two_bits_as_keys",
      <<116, 2:32, 77, 1:32, 3, 255, 97, 1, 77, 1:32, 4, 224, 97, 1>>}].

closure(V) -> fun(X) -> {X, V} end.

nested(0, _) -> [];
nested(N, F) -> F(nested(N - 1, F)).

pid_of(Node) ->
    Name = atom_to_binary(Node, utf8),
    binary_to_term(<<131, 88, 119, (byte_size(Name)), Name/binary,
                     77:32, 0:32, 1:32>>).
