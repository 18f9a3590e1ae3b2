// @ts-check
// The dialog in which the account page does one thing at a time.

import { $, copy, onSend, reveal } from "./ui.js";

/** What is shown once. A slip of the finger does not close it. */
const ONCE = "task-codes";

/** What was said before a dialog opens goes, and the dialog shows a copy of a template.
 * @param {string} title @param {string} template @returns {HTMLElement} */
export function open(title, template) {
  const dialog = $("#task");
  const shown = copy(template);
  $("#task-title").textContent = title;
  $(".close", dialog).hidden = template === ONCE;
  $(".body", dialog).replaceChildren(shown);
  reveal(shown);
  $(".notice").textContent = "";
  if (!dialog.open) dialog.showModal();
  (shown.querySelector("input:not([aria-hidden]), .told[tabindex], button") ?? $("#task-title")).focus();
  return shown;
}

/** Closes the dialog. */
export const close = () => $("#task").close();

/** Says that something is done, and offers recovery codes where they make sense.
 * @param {string} told @param {() => unknown} [codes] */
export function finish(told, codes) {
  const shown = open($("#task-title").textContent, "task-done");
  $(".told", shown).textContent = told;
  $(".codes", shown).hidden = !codes;
  $(".codes", shown).addEventListener("click", () => codes?.());
  $(".ready", shown).addEventListener("click", close);
}

/** Asks whether to do it.
 * @param {string} title @param {string} told @param {string} label @param {() => Promise<unknown>} act */
export function confirm(title, told, label, act) {
  const form = open(title, "task-confirm");
  $(".told", form).textContent = told;
  $("button", form).textContent = label;
  onSend(/** @type {HTMLFormElement} */ (form), act);
  $("button", form).focus();
}

/** Asks for the password first.
 * @param {string} title @param {string} told @param {string} email @param {(password: string) => Promise<unknown>} act */
export function ask(title, told, email, act) {
  const form = open(title, "task-password");
  $(".told", form).textContent = told;
  $("[name=username]", form).value = email;
  $("button[type=submit]", form).textContent = title;
  onSend(/** @type {HTMLFormElement} */ (form), ({ password = "" }) => act(password), "task");
}

$("#task").addEventListener("cancel", (/** @type {Event} */ event) => {
  if ($(".close", $("#task")).hidden) event.preventDefault();
});
// A browser closes the dialog at the second press of Escape, whatever was said to the first.
$("#task").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
  if (event.key === "Escape" && $(".close", $("#task")).hidden) event.preventDefault();
});
/** Frees what a dialog showed, such as a secret, once it is closed. */
$("#task").addEventListener("close", () => $("#task .body").replaceChildren());

