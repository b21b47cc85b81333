// Lists the user's sessions from auth_sigra_sessions, with a button to end each. A browser may call itself anything:
// that is shown as text, never as HTML.
"use strict";

const url = "/users/sessions";
const table = document.querySelector("table");
const status = document.querySelector("[role=status]");

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, cache: "no-store", headers: { accept: "application/json", ...options.headers } });
  // This page's own session has ended: the server redirects to the login, and back here.
  if (answer.status === 401) {
    location.reload();
  }
  return answer;
}

function addText(row, text) {
  const cell = row.insertCell();
  cell.textContent = text;
  return cell;
}

// The layouts sigra and phx_gen_auth only know when a device logged in.
function addSession(session, csrfToken) {
  const row = table.tBodies[0].insertRow();
  const name = session.user_agent ?? "Unknown device";
  const device = addText(row, name);
  if (session.current) {
    const mark = document.createElement("strong");
    mark.textContent = " This device";
    device.append(mark);
  }
  addText(row, session.ip ?? "Unknown");
  addText(row, new Date(session.created_at).toLocaleString());
  addText(row, session.last_active_at ? new Date(session.last_active_at).toLocaleString() : "Unknown");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = session.current ? "Log out" : "End session";
  button.setAttribute("aria-label", `${button.textContent}: ${name}`);
  button.addEventListener("click", () => end(session, csrfToken, button));
  row.insertCell().append(button);
}

async function show() {
  const answer = await ask(url);
  if (!answer.ok) {
    throw new Error(`the list was answered ${answer.status}`);
  }
  const { sessions, csrf_token: csrfToken } = await answer.json();
  table.tBodies[0].replaceChildren();
  for (const session of sessions) {
    addSession(session, csrfToken);
  }
  table.hidden = false;
}

async function end(session, csrfToken, button) {
  button.disabled = true;
  status.textContent = "";
  try {
    const answer = await ask(`${url}/${encodeURIComponent(session.id)}`, { method: "DELETE", headers: { "x-csrf-token": csrfToken } });
    // 404: the session has already ended.
    if (!answer.ok && answer.status !== 404) {
      throw new Error(`the end was answered ${answer.status}`);
    }
    if (session.current) {
      location.reload();
      return;
    }
    await show();
    status.textContent = "The session has ended.";
  } catch (error) {
    fail(error);
    button.disabled = false;
  }
}

function fail(error) {
  console.error(error);
  status.textContent = "That did not work. Please try again in a moment.";
}

show().catch(fail);
