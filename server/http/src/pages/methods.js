// @ts-check
// The methods of an account: add, name, choose, remove; and its recovery codes.

import { Refused, call } from "./api.js";
import { canUsePasskeys, makePasskey } from "./passkeys.js";
import { askSecond } from "./second.js";
import { close, confirm, finish, open } from "./task.js";
import { $, element, explain, notice, onSend, row, t, when } from "./ui.js";

/** Few enough to say so. */
const FEW = 3;

/** @type {any} */
let me;
/** @type {any[]} */
let factors = [];
/** @type {() => Promise<void>} */
let draw;

/** Shows them.
 * @param {any} who The account. @param {() => Promise<void>} drawAll Draws the whole page anew. */
export async function showMethods(who, drawAll) {
  [me, draw] = [who, drawAll];
  const list = await call("GET", "/identity/mfa/methods");
  factors = list.factors.filter((/** @type {any} */ one) => one.state !== "pending");
  $("#methods").replaceChildren(...factors.map(method));
  $("#unprotected").hidden = me.mfaEnabled;
  const { remaining } = list.recoveryCodes;
  const left = $("#codes-left");
  left.textContent = me.mfaEnabled ? (remaining ? t("codes.left", { count: remaining }) : t("codes.left-none")) : t("codes.none");
  left.className = me.mfaEnabled && remaining <= FEW ? "warning" : "";
  $("#make-codes").disabled = !me.mfaEnabled;
  for (const button of $("#add").children) {
    const { add } = button.dataset;
    const isThere = factors.some((one) => one.method === add && one.state === "on");
    button.hidden = (isThere && (add === "email" || add === "sms")) || (add === "passkey" && !canUsePasskeys);
  }
}

/** @param {any} factor */
const nameOf = (factor) => factor.name ?? t(`method.${factor.method}`);

/** @param {any} factor */
function method(factor) {
  const name = nameOf(factor);
  const kind = name === t(`method.${factor.method}`) ? "" : t(`method.${factor.method}`);
  const used = factor.lastUsedAt ? t("methods.used", { when: when(factor.lastUsedAt) }) : t("methods.unused");
  const hint = [kind, factor.target, factor.state === "ready" ? t("methods.paused") : "", used].filter(Boolean).join(" · ");
  const path = `/identity/mfa/methods/${factor.id}`;
  /** @type {[string, () => unknown, string?][]} */
  const actions = [[t("methods.rename"), () => rename(factor), t("methods.rename-this", { name })]];
  if (!factor.primary && factor.state === "on" && factors.length > 1) {
    const choose = () => act("POST", `${path}/primary`, t("methods.first-done", { name }));
    actions.push([t("methods.first"), choose, t("methods.first-this", { name })]);
  }
  actions.push([t("methods.remove"), () => remove(factor), t("methods.remove-this", { name })]);
  const made = row(name, hint, actions);
  if (factor.primary && factors.length > 1) $(".name", made).append(" ", element("span", t("methods.primary"), "badge"));
  return made;
}

/** Does something without a dialog of its own. @param {string} verb @param {string} path @param {string} done */
async function act(verb, path, done) {
  try {
    notice("");
    await call(verb, path);
    await draw();
    notice(done);
  } catch (error) {
    if (!(error instanceof Refused && error.code === "CANCELLED")) notice(explain(error));
  }
}

/** @param {any} factor */
function rename(factor) {
  const form = /** @type {HTMLFormElement} */ (open(t("methods.rename"), "task-rename"));
  $("input", form).value = nameOf(factor);
  $("input", form).select();
  onSend(form, async ({ name }) => {
    await call("PATCH", `/identity/mfa/methods/${factor.id}`, { name });
    close();
    await draw();
    notice(t("methods.renamed"));
  });
}

/** @param {any} factor */
function remove(factor) {
  const name = nameOf(factor);
  const isLast = factors.filter((one) => one.state === "on").length === 1 && factor.state === "on";
  const told = t(isLast ? "methods.remove-last" : "methods.remove-told", { name });
  confirm(t("methods.remove-this", { name }), told, t("methods.remove"), async () => {
    await call("DELETE", `/identity/mfa/methods/${factor.id}`);
    close();
    await draw();
    notice(t("methods.removed", { name }));
  });
}

/** A name that no other method of this kind has. @param {string} kind */
function suggestion(kind) {
  const plain = t(`name.${kind}`);
  const taken = factors.map(nameOf);
  for (let number = 2, name = plain; ; name = `${plain} ${number++}`) if (!taken.includes(name)) return name;
}

/** Sets a method up: the password, then the proof that it works. @param {string} kind */
function add(kind) {
  const title = t("add.title", { method: t(`method.${kind}`) });
  const form = /** @type {HTMLFormElement} */ (open(title, "task-set-up"));
  const isNamed = kind === "authenticator" || kind === "passkey";
  $(".told", form).textContent = t(`add.told.${kind}`);
  $("[name=username]", form).value = me.email;
  if (isNamed) $("[name=name]", form).value = suggestion(kind);
  else $(".for-name", form).remove();
  if (kind !== "sms") $(".for-phone", form).remove();
  $("input:not([aria-hidden])", form).focus();
  onSend(
    form,
    async ({ username, ...values }) => {
      const begun = await call("POST", "/identity/mfa/setup", { method: kind, ...values });
      if (kind === "passkey") provePasskey(title, begun);
      else if (kind === "authenticator") proveApp(title, begun);
      else proveCode(title, begun);
    },
    "task",
  );
}

/** What the code step of a set-up does, whatever sends or shows the codes. @param {string} title */
const way = (title) => ({
  code: (/** @type {object} */ body) => call("POST", "/identity/mfa/setup/verify", body),
  done: () => added(),
  lost: (/** @type {Refused} */ error) => {
    open(title, "task-done");
    finish(explain(error, "set-up"));
  },
});

/** @param {string} title @param {any} begun */
function proveApp(title, begun) {
  const shown = open(title, "task-scan");
  $("img", shown).src = begun.qrCode;
  $(".key", shown).textContent = begun.secret.replace(/(.{4})(?=.)/g, "$1 ");
  $(".open-app", shown).href = begun.otpauthUrl;
  askSecond($(".answer", shown), begun, way(title));
  $(".answer .told", shown).textContent = t("scan.code");
}

/** @param {string} title @param {any} begun */
function proveCode(title, begun) {
  const shown = open(title, "task-scan");
  for (const part of [...shown.children]) if (!part.classList.contains("answer")) part.remove();
  askSecond($(".answer", shown), begun, way(title));
}

/** @param {string} title @param {any} begun */
function provePasskey(title, begun) {
  const form = /** @type {HTMLFormElement} */ (open(title, "task-passkey"));
  const { mfaToken, publicKey } = begun;
  $("button", form).focus();
  onSend(
    form,
    async () => {
      const credential = await makePasskey(publicKey);
      await call("POST", "/identity/mfa/setup/verify-passkey", { mfaToken, credential });
      await added();
    },
    "set-up",
  );
}

/** A method is on. The first one leads to recovery codes. */
async function added() {
  const isFirst = !me.mfaEnabled;
  finish(t(isFirst ? "add.done-first" : "add.done"), isFirst ? makeCodes : undefined);
  await draw();
}

async function makeCodes() {
  const { recoveryCodes } = await call("POST", "/identity/mfa/recovery-codes").catch((error) => {
    if (!(error instanceof Refused && error.code === "CANCELLED")) {
      close();
      notice(explain(error));
    }
    throw error;
  });
  const shown = open(t("codes.title"), "task-codes");
  $(".address", shown).textContent = me.email;
  $("ol", shown).replaceChildren(...recoveryCodes.map((/** @type {string} */ code) => element("li", code)));
  const text = `${$(".service").textContent}: ${me.email}\n\n${recoveryCodes.join("\n")}\n`;
  const save = $(".save", shown);
  save.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  save.download = t("codes.file");
  $(".print", shown).addEventListener("click", () => print());
  $(".ready", shown).addEventListener("click", close);
  $("#task").addEventListener("close", () => URL.revokeObjectURL(save.href), { once: true });
  await draw();
}

function replaceCodes() {
  if (!factors.length) return;
  confirm(t("codes.make"), t("codes.replace"), t("codes.make"), makeCodes);
}

for (const button of $("#add").children) button.addEventListener("click", () => add(button.dataset.add));
$("#make-codes").addEventListener("click", replaceCodes);
