// @ts-check
// The account page: what protects an account, who is signed in to it, and what happened to it.

import { Refused, call, forget, hooks, isOwn, isSignedIn, keep } from "./api.js";
import { showDetails } from "./details.js";
import { showMethods } from "./methods.js";
import { askSecond, usable } from "./second.js";
import { ask, close, confirm, finish, open } from "./task.js";
import { $, copy, element, explain, notice, onSend, reveal, row, t, when } from "./ui.js";

/** How many events are shown at a time. */
const EVENTS = 10;

/** @param {string} why */
const leave = (why) => {
  forget();
  location.replace(`/sign-in#${why}`);
};
hooks.over = () => leave("ended");

/** Asks for fresh proof in a dialog above the one that is open.
 * @returns {Promise<void>} */
hooks.prove = () =>
  new Promise((proved, refused) => {
    const dialog = $("#proof");
    const body = $(".body", dialog);
    const told = $(".notice", dialog);
    let isProved = false;
    told.textContent = "";
    /** @param {any} lifted */
    const done = (lifted) => {
      keep(lifted);
      isProved = true;
      dialog.close();
    };
    dialog.addEventListener(
      "close",
      () => {
        body.replaceChildren();
        if (isProved) proved();
        else refused(new Refused({ code: "CANCELLED" }));
      },
      { once: true },
    );
    const stepUp = (/** @type {object} */ body) => call("POST", "/identity/step-up", body);
    const byPassword = () => {
      const form = /** @type {HTMLFormElement} */ (copy("task-password"));
      $(".told", form).textContent = t("proof.password");
      body.replaceChildren(form);
      reveal(form);
      onSend(form, async ({ password }) => done(await stepUp({ password })));
      $("[name=password]", form).focus();
    };
    /** @param {any} asked */
    const byMethod = (asked) =>
      askSecond(body, asked, {
        code: (answer) => call("POST", "/identity/step-up/verify", answer),
        passkey: (answer) => call("POST", "/identity/step-up/verify-passkey", answer),
        change: (_token, method) => stepUp({ method }),
        done,
        lost: (error) => {
          told.textContent = explain(error, "proof");
          void begin();
        },
        takesRecoveryCodes: true,
      });
    /** @param {string} [method] The one to prove with; without it, the first. */
    const begin = async (method) => {
      try {
        if (!me.mfaEnabled) return byPassword();
        const asked = await stepUp(method ? { method } : {});
        if (asked.status === "stepped_up") return done(asked);
        byMethod(asked);
      } catch (error) {
        if (error instanceof Refused && error.code === "MFA_NOT_ENABLED") return byPassword();
        told.textContent = explain(error, "proof");
        // Another method may do what this one cannot now.
        body.replaceChildren(...usable(me.mfaMethods).map((other) => {
          const button = element("button", t(`method.${other}`), "second-choice");
          button.addEventListener("click", () => {
            told.textContent = "";
            void begin(other);
          });
          return button;
        }));
      }
    };
    dialog.showModal();
    void begin();
  });

/** @type {any} */
let me;

async function drawMe() {
  me = await call("GET", "/identity/me");
  const name = [me.firstName, me.lastName].filter(Boolean).join(" ");
  $("#who").textContent = name ? t("account.who", { name, email: me.email }) : me.email;
}

/** What a program that calls itself so is, as people know it. @param {string} [agent] */
function program(agent = "") {
  /** @param {[RegExp, string][]} names */
  const first = (names) => names.find(([sign]) => sign.test(agent))?.[1];
  const browser = first([[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\//, "Firefox"], [/Chrom(e|ium)\//, "Chrome"], [/Safari\//, "Safari"]]);
  const system = first([[/Android/, "Android"], [/iPhone|iPad/, "iOS"], [/Windows/, "Windows"], [/Mac OS X/, "macOS"], [/Linux/, "Linux"]]);
  if (browser && system) return t("sessions.browser", { browser, system });
  return browser ?? (agent.slice(0, 60) || t("sessions.unknown"));
}

async function drawSessions() {
  const { sessions, totalCount } = await call("GET", "/identity/me/sessions?limit=50");
  const rows = sessions.map((/** @type {any} */ one) => {
    const from = one.signedInFrom ? t("sessions.from", { from: one.signedInFrom }) : "";
    const hint = [from, t("sessions.since", { when: when(one.createdAt) }), t("sessions.used", { when: when(one.lastUsedAt) })];
    const name = program(one.program);
    const end = () => confirmed(t("sessions.end"), t("sessions.end-told", { name }), "DELETE", `/identity/me/sessions/${one.id}`, t("sessions.ended"));
    const made = row(name, hint.filter(Boolean).join(" · "), one.current ? [] : [[t("sessions.end"), end, t("sessions.end-this", { name })]]);
    if (one.current) $(".name", made).append(" ", element("span", t("sessions.current"), "badge"));
    return made;
  });
  $("#sessions").replaceChildren(...rows);
  $("#end-others").hidden = totalCount < 2;
}

/** Asks once more, does it, and says that it is done.
 * @param {string} title @param {string} told @param {string} method @param {string} path @param {string} done */
function confirmed(title, told, method, path, done) {
  confirm(title, told, title, async () => {
    await call(method, path);
    close();
    notice(done);
    await draw();
  });
}

/** @type {string | undefined} */
let next;

/** What an event was about, where people have a word for it. @param {string} [detail] */
function about(detail = "") {
  const known = { authenticator: 1, email: 1, sms: 1, passkey: 1 };
  return detail in known ? t(`method.${detail}`) : "";
}

/** @param {boolean} [more] */
async function drawActivity(more = false) {
  const before = more && next ? `&before=${next}` : "";
  const page = await call("GET", `/identity/me/activity?limit=${EVENTS}${before}`);
  next = page.next;
  const rows = page.events.map((/** @type {any} */ one) => {
    const what = t(`event.${one.event}`) === `event.${one.event}` ? one.event.replaceAll("_", " ") : t(`event.${one.event}`);
    const from = one.from === "console" ? t("activity.console") : one.from;
    const who = one.byOther ? t("activity.other") : "";
    const detail = about(one.detail);
    return row(detail ? `${what}: ${detail}` : what, [when(one.at), from, who].filter(Boolean).join(" · "));
  });
  if (more) $("#activity").append(...rows);
  else $("#activity").replaceChildren(...rows);
  $("#more").hidden = !next;
  if (more) rows[0]?.querySelector(".name").focus?.();
}

/** Draws everything anew. */
async function draw() {
  await drawMe();
  showDetails(me, draw);
  await Promise.all([showMethods(me, draw), drawSessions(), drawActivity()]);
}

/** Runs what a button does, and says what went wrong. @param {() => Promise<unknown>} act */
async function attempt(act) {
  try {
    notice("");
    await act();
  } catch (error) {
    if (!(error instanceof Refused && error.code === "CANCELLED")) notice(explain(error));
  }
}

function changePassword() {
  const form = open(t("change.title"), "task-change");
  $("[name=username]", form).value = me.email;
  onSend(/** @type {HTMLFormElement} */ (form), async ({ oldPassword, newPassword }) => {
    await call("PUT", "/identity/me/password", { oldPassword, newPassword });
    finish(t("change.done"));
    await draw();
  });
}

async function save() {
  const everything = await call("GET", "/identity/me/export");
  const file = new Blob([JSON.stringify(everything, null, 2)], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = "account.json";
  link.click();
  URL.revokeObjectURL(link.href);
  notice(t("data.exported"));
}

function remove() {
  ask(t("data.delete"), t("data.delete-told"), me.email, async (password) => {
    await call("DELETE", "/identity/me", { password });
    leave("deleted");
  });
}

async function start() {
  if (!isSignedIn()) return location.replace("/sign-in");
  if (!(await isOwn())) return leave("elsewhere");
  await attempt(draw);
  if (!me) return;
  $("#account").hidden = false;
  $("#sign-out").hidden = false;
  if (location.hash === "#welcome") notice(t("account.welcome"));
  if (location.hash) history.replaceState(null, "", location.pathname);
}

const presses = {
  "sign-out": async () => {
    await call("POST", "/identity/logout");
    leave("signed-out");
  },
  "change-password": async () => changePassword(),
  "end-others": async () => confirmed(t("sessions.end-others"), t("sessions.end-others-told"), "DELETE", "/identity/me/sessions", t("sessions.ended-others")),
  more: () => drawActivity(true),
  export: save,
  delete: async () => remove(),
};
for (const [id, act] of Object.entries(presses)) $(`#${id}`).addEventListener("click", () => void attempt(act));
for (const dialog of document.querySelectorAll("dialog")) $(".close", dialog).addEventListener("click", () => dialog.close());
// A page that comes back from the browser's cache may show what is no longer so.
addEventListener("pageshow", (event) => event.persisted && location.reload());
void start();
