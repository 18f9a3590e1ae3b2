// @ts-check
// Who the account belongs to: the names, and the address that one signs in with.

import { call } from "./api.js";
import { close, finish, open } from "./task.js";
import { $, notice, onSend, t } from "./ui.js";

/** @type {any} */
let me;
/** @type {() => Promise<void>} */
let draw;

/** Makes the section ready.
 * @param {any} who The account. @param {() => Promise<void>} drawAll Draws the whole page anew. */
export function showDetails(who, drawAll) {
  [me, draw] = [who, drawAll];
  // Whoever signs in with a name has no address to change.
  $("#change-email").hidden = !me.email.includes("@");
}

function changeNames() {
  const form = /** @type {HTMLFormElement} */ (open(t("details.names"), "task-names"));
  $("[name=firstName]", form).value = me.firstName ?? "";
  $("[name=lastName]", form).value = me.lastName ?? "";
  onSend(form, async ({ firstName, lastName }) => {
    await call("PATCH", "/identity/me", { firstName, lastName });
    close();
    await draw();
    notice(t("details.names-done"));
  });
}

function changeEmail() {
  const form = /** @type {HTMLFormElement} */ (open(t("details.email"), "task-email"));
  $("[name=username]", form).value = me.email;
  onSend(form, async ({ email = "", password }) => {
    await call("POST", "/identity/me/email", { email, password });
    proveEmail(email);
  });
}

/** Asks for the code that was mailed to the new address. @param {string} email */
function proveEmail(email) {
  const form = /** @type {HTMLFormElement} */ (open(t("details.email"), "task-email-code"));
  $(".told", form).textContent = t("details.email-mailed", { email });
  $(".again", form).addEventListener("click", changeEmail);
  onSend(form, async ({ code }) => {
    const changed = await call("POST", "/identity/me/email/verify", { code });
    finish(t("details.email-done", { email: changed.email }));
    await draw();
  });
}

$("#change-names").addEventListener("click", changeNames);
$("#change-email").addEventListener("click", changeEmail);
