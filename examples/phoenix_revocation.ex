# lib/my_app_web/session_revocation.ex, for Phoenix 1.7 and 1.8: LiveViews end with their session, over WebSockets and
# longpoll alike, whoever deletes its row: nginx, another node, psql. The triggers of revocation.sql notify.
#
#     lib/my_app/application.ex, among the children, after the Repo and PubSub:
#         MyAppWeb.SessionRevocation,
#
#     lib/my_app_web/router.ex, in each live_session that needs a login, after the hook that mounts the user:
#         on_mount: [{MyAppWeb.UserAuth, :require_authenticated}, MyAppWeb.SessionRevocation]
#
# Postgrex reconnects by itself. Notifications are lost while it is disconnected: such a LiveView ends with its next
# full page load. LISTEN does not work through a pooler in transaction mode.

defmodule MyAppWeb.SessionRevocation do
  use GenServer

  import Phoenix.LiveView

  @channel "auth_sigra_revoked"
  @pubsub MyApp.PubSub
  @log_in "/users/log-in"

  # ---- receives revocations and tells the LiveViews of this node

  def start_link(_options), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(nil) do
    options = Keyword.merge(MyApp.Repo.config(), auto_reconnect: true, sync_connect: false)
    {:ok, listener} = Postgrex.Notifications.start_link(options)
    {_, _} = Postgrex.Notifications.listen(listener, @channel)
    {:ok, listener}
  end

  # The token's SHA-256 in hex, or "*" for all. A user who only changed ("user:ID") is still logged in.
  @impl true
  def handle_info({:notification, _, _, @channel, "user:" <> _}, state), do: {:noreply, state}

  def handle_info({:notification, _, _, @channel, revoked}, state) do
    Phoenix.PubSub.local_broadcast(@pubsub, topic(revoked), {__MODULE__, :revoked})
    {:noreply, state}
  end

  def handle_info(_, state), do: {:noreply, state}

  # ---- in each LiveView

  def on_mount(:default, _params, %{"user_token" => token}, socket) do
    if connected?(socket) do
      Phoenix.PubSub.subscribe(@pubsub, topic(Base.encode16(:crypto.hash(:sha256, token), case: :lower)))
      Phoenix.PubSub.subscribe(@pubsub, topic("*"))
    end

    {:cont, attach_hook(socket, __MODULE__, :handle_info, &revoked(&1, &2, token))}
  end

  def on_mount(:default, _params, _session, socket), do: {:cont, socket}

  # The row may have changed and still be valid, so it is looked up as when the LiveView was mounted.
  defp revoked({__MODULE__, :revoked}, socket, token) do
    if MyApp.Accounts.get_user_by_session_token(token),
      do: {:halt, socket},
      else: {:halt, redirect(socket, to: @log_in)}
  end

  defp revoked(_message, socket, _token), do: {:cont, socket}

  defp topic(revoked), do: "session_revoked:" <> revoked
end
