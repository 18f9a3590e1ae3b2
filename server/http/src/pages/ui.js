// @ts-check
// What all pages do with forms, sentences and waits. Texts are in `en.json` and `de.json`.

import { Refused } from "./api.js";

/** The language that the server chose for this page. */
export const language = document.documentElement.lang;

/** @type {Record<string, string>} */
const texts = (await import(`./texts-${language}.js`)).default;

const plural = new Intl.PluralRules(language);

/** A text, with its fields filled in. Where a text depends on `count`, `KEY.one` is the one for one.
 * @param {string} key @param {Record<string, string | number>} [fields] */
export function t(key, fields = {}) {
  const one = "count" in fields && plural.select(Number(fields.count)) === "one" ? texts[`${key}.one`] : undefined;
  return (one ?? texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => String(fields[name] ?? ""));
}

/** Whether there is such a text. @param {string} key */
export const has = (key) => key in texts;

/** One element that must be there.
 * @param {string} selector @param {ParentNode} [within]
 * @returns {any} */
export function $(selector, within = document) {
  const found = within.querySelector(selector);
  if (!found) throw new Error(`no ${selector}`);
  return found;
}

/** A copy of a template's first element. @param {string} id @returns {HTMLElement} */
export const copy = (id) => $(`#${id}`).content.firstElementChild.cloneNode(true);

/** An element with a text.
 * @param {string} tag @param {string} text @param {string} [className] */
export function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Shows one of a page's sections and no other, and moves the focus to where one goes on.
 * @param {string} id @param {string} [focus] */
export function show(id, focus) {
  const wanted = $(`#${id}`);
  for (const section of wanted.parentElement.querySelectorAll(":scope > section")) section.hidden = section !== wanted;
  const target = focus ? wanted.querySelector(focus) : wanted.querySelector(".told");
  target?.focus();
}

/** Says something that is not about a field. @param {string} text */
export function notice(text) {
  $(".notice").textContent = text;
}

/** When something was, for people. @param {string} time */
export function when(time) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(time));
}

/** Seconds as people say them. @param {number} seconds */
export function span(seconds) {
  if (seconds < 120) return t("seconds", { count: Math.ceil(seconds) });
  if (seconds < 7200) return t("minutes", { count: Math.ceil(seconds / 60) });
  return t("hours", { count: Math.ceil(seconds / 3600) });
}

/** Which field a refusal is about, by the code. The others are about the whole form.
 * @type {Record<string, string[]>} */
const ABOUT = {
  INVALID_CREDENTIALS: ["password"],
  INVALID_PASSWORD: ["oldPassword", "password"],
  INVALID_MFA_CODE: ["code"],
  AUTHENTICATOR_CLOCK_OFF: ["code"],
  INVALID_REGISTRATION_CODE: ["code"],
  INVALID_RESET_CODE: ["code"],
  INVALID_EMAIL_CHANGE_CODE: ["code"],
  NAME_TAKEN: ["name"],
  MFA_ALREADY_ENABLED: ["name"],
};

/** What a refusal means, in one sentence that says what to do.
 * @param {unknown} error @param {string} [context] Words of this page that go before the general ones. */
export function explain(error, context) {
  if (!(error instanceof Refused)) {
    console.error(error);
    return t("error.UNEXPECTED");
  }
  const { code, reason, attemptsRemaining: count, retryAfter, offsetSeconds, message } = error.body;
  const after = retryAfter === undefined ? "" : span(retryAfter);
  const fields = { ...(count !== undefined && { count }), after, offset: Math.abs(offsetSeconds ?? 0) };
  const keys = [`error.${code}.${context}`, `error.${code}.${reason}`, `error.${code}${count === 0 ? ".last" : ""}`];
  const key = keys.find(has);
  const sentence = key ? t(key, fields) : (message ?? t("error.UNEXPECTED"));
  // What the server's operator finds in the log.
  return /^(INTERNAL|UNEXPECTED)$/.test(code) ? `${sentence} ${error.body.requestId ?? ""}`.trim() : sentence;
}

/** What is wrong with a field's value, as the server names it.
 * @param {HTMLInputElement} input @param {string} message */
function flaw(input, message) {
  const { least, most } = input.dataset;
  const length = [...input.value].length;
  if (least && length < Number(least)) return t("flaw.short", { count: length, least });
  if (most && length > Number(most)) return t("flaw.long", { most });
  const key = `flaw.${least ? "common" : (input.dataset.flaw ?? input.name)}`;
  return has(key) ? t(key) : message;
}

/** Marks a field, or unmarks it.
 * @param {HTMLInputElement} input @param {string} text */
function mark(input, text) {
  if (text) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  $(`#${input.id}-error`, /** @type {ParentNode} */ (input.form)).textContent = text;
}

/** Takes back what a form says of the try before. @param {HTMLFormElement} form */
export function forgive(form) {
  for (const input of inputs(form)) mark(input, "");
  $(".form-error", form).textContent = "";
}

/** @param {HTMLFormElement} form @returns {HTMLInputElement[]} */
const inputs = (form) => [...form.querySelectorAll("input")].filter((input) => input.getAttribute("aria-hidden") !== "true");

/** Shows a refusal beside the field that it is about, and moves the focus there.
 * @param {HTMLFormElement} form @param {unknown} error @param {string} [context] */
export function refuse(form, error, context) {
  const fields = inputs(form);
  const whole = $(".form-error", form);
  if (error instanceof Refused && error.code === "CANCELLED") return;
  const flaws = error instanceof Refused ? (error.body.errors ?? []) : [];
  const marked = flaws.flatMap(({ field, message }) => {
    const input = fields.find(({ name }) => name === field);
    if (!input) return [];
    mark(input, flaw(input, message));
    return [input];
  });
  const about = error instanceof Refused ? (ABOUT[error.code] ?? []) : [];
  const named = about.map((name) => fields.find((input) => input.name === name)).find((input) => input);
  if (!marked.length && named) {
    mark(named, explain(error, context));
    marked.push(named);
  }
  if (!marked.length) {
    const [first] = flaws;
    whole.textContent = first && !fields.length ? first.message : explain(error, context);
  }
  marked[0]?.focus();
  const after = error instanceof Refused ? error.body.retryAfter : undefined;
  if (after) countDown(form, after);
}

/** Keeps a form's button from being pressed for some seconds, and counts them on it. Only the end is announced.
 * @param {HTMLFormElement} form @param {number} seconds */
export function countDown(form, seconds) {
  const button = $("button[type=submit]", form);
  const label = (button.dataset.label ??= button.textContent);
  clearInterval(Number(button.dataset.timer));
  const end = Date.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left > 0) {
      button.setAttribute("aria-disabled", "true");
      button.textContent = t("wait", { left: clock(left) });
      return;
    }
    clearInterval(Number(button.dataset.timer));
    delete button.dataset.timer;
    button.removeAttribute("aria-disabled");
    button.textContent = label;
    const told = $(".form-error", form);
    if (told.textContent) told.textContent = t("wait.over");
  };
  button.dataset.timer = String(setInterval(tick, 1000));
  tick();
}

/** @param {number} seconds */
function clock(seconds) {
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, "0"));
  return [...(seconds >= 3600 ? [Math.floor(seconds / 3600)] : []), ...parts].join(":");
}

/** Runs `act` when a form is sent, one at a time, and shows what it refuses.
 * @param {HTMLFormElement} form
 * @param {(values: Record<string, string>) => unknown} act @param {string} [context] */
export function onSend(form, act, context) {
  const button = $("button[type=submit]", form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    const fields = inputs(form);
    forgive(form);
    const flawed = fields.filter((input) => {
      const length = input.value.trim().length;
      // What cannot be right is not sent: it would cost one of the tries.
      const key = input.required && !length ? "flaw.missing" : length < input.minLength ? "flaw.code-short" : undefined;
      if (key) mark(input, t(key, { least: input.minLength }));
      return key;
    });
    if (flawed.length) return void flawed[0]?.focus();
    button.setAttribute("aria-disabled", "true");
    button.setAttribute("aria-busy", "true");
    try {
      await act(Object.fromEntries(fields.map(({ name, value }) => [name, value])));
      if (!("timer" in button.dataset)) button.removeAttribute("aria-disabled");
    } catch (error) {
      button.removeAttribute("aria-disabled");
      refuse(form, error, context);
    }
    button.removeAttribute("aria-busy");
  });
}

/** Lets the buttons beside passwords show them. @param {ParentNode} [within] */
export function reveal(within = document) {
  for (const button of within.querySelectorAll("button.reveal")) {
    const input = $("input", /** @type {ParentNode} */ (button.parentElement));
    button.addEventListener("click", () => {
      const isShown = input.type === "text";
      input.type = isShown ? "password" : "text";
      button.textContent = t(isShown ? "show" : "hide");
      button.setAttribute("aria-pressed", String(!isShown));
    });
  }
}

/** A row of a list: what it is, what is to be known, and what can be done.
 * @param {string} name @param {string} hint @param {[string, () => unknown, string?][]} [actions] */
export function row(name, hint, actions = []) {
  const made = copy("row");
  $(".name", made).textContent = name;
  $(".hint", made).textContent = hint;
  for (const [label, act, spoken] of actions) {
    const button = element("button", label, "plain");
    button.setAttribute("type", "button");
    if (spoken) button.setAttribute("aria-label", spoken);
    button.addEventListener("click", () => void act());
    $(".actions", made).append(button);
  }
  return made;
}

/** Where the address that somebody typed waits for the next page. Never in a URL: servers and histories keep those. */
const TYPED = "countersign.email";

/** Takes the typed address along to the page that a link leads to.
 * @param {HTMLAnchorElement} link @param {HTMLInputElement} input */
export function carry(link, input) {
  link.addEventListener("click", (event) => {
    // Another tab has a storage of its own, and this one would keep what was typed.
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    try {
      sessionStorage.setItem(TYPED, input.value);
    } catch {
      // A browser may allow no storage. Then the address is typed again.
    }
  });
}

/** Fills in the address that was typed on the page before. @param {HTMLInputElement} input */
export function carried(input) {
  try {
    input.value ||= sessionStorage.getItem(TYPED) ?? "";
    sessionStorage.removeItem(TYPED);
  } catch {
    // Nothing was kept.
  }
}
