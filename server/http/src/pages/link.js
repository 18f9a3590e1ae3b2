// @ts-check
// The script of the pages behind mailed links. Nothing is sent before the button is pressed.

import { Refused, post } from "./api.js";
import { askSecond } from "./second.js";
import { $, element, explain, onSend, reveal, t, when } from "./ui.js";

const main = $("main");
const form = $("form", main);
const told = $("[role=status]", main);
/** @type {string} */
const path = main.dataset.post;

const WHOLE = /^(ml|rl|pr|eu)_[\w-]{86}$/;

/** The token of the link, which is the address's fragment; that of this page before it was loaded again.
 * @returns {string} */
function given() {
  const kept = history.state?.token ?? "";
  try {
    return decodeURIComponent(location.hash.slice(1)).trim() || kept;
  } catch {
    // Something is in the way of reading it, so it is not whole.
    return location.hash.slice(1);
  }
}

const token = given();
// The address line does not keep the token. This page's own entry in the history does, so that it can be
// loaded again; no other page can read it there.
history.replaceState({ token }, "", location.pathname);

/** Shows lines, each a paragraph of plain text, instead of what was told before.
 * @param {string[]} lines */
const tell = (...lines) => told.replaceChildren(...lines.map((line) => element("p", line)));

/** Shows a code and what to know before typing it.
 * @param {{code: string, askedAt: string, askedFrom?: string}} answer */
function show({ code, askedAt, askedFrom }) {
  const asked = { when: when(askedAt), from: askedFrom ?? "" };
  tell(t("link.code.type"), code, t(askedFrom ? "link.code.asked-from" : "link.code.asked", asked), t("link.code.not-you"));
  told.children[1].className = "code";
}

/** What the page is for is done. */
function done() {
  history.replaceState(null, "");
  const second = document.querySelector("#second");
  if (second instanceof HTMLElement) second.hidden = true;
  tell(t(main.dataset.done));
  const on = document.querySelector("#on");
  if (on instanceof HTMLElement) on.hidden = false;
}

/** Asks for the second step, before what the page is for is done.
 * @param {import("./second.js").Asked} asked */
function ask(asked) {
  const second = $("#second");
  history.replaceState(null, "");
  tell();
  second.hidden = false;
  askSecond(second, asked, {
    code: (body) => post(`${path}/verify`, body),
    passkey: (body) => post(`${path}/verify-passkey`, body),
    change: (mfaToken, method) => post("/identity/mfa/login/switch", { mfaToken, method }),
    done,
    lost: (error) => {
      second.hidden = true;
      tell(explain(error, "reset"));
    },
    takesRecoveryCodes: true,
  });
}

onSend(
  form,
  async ({ password }) => {
    tell();
    try {
      const answer = await post(path, password === undefined ? { token } : { token, password });
      form.hidden = true;
      if (answer.status === "mfa_required") ask(answer);
      else if (answer.code) show(answer);
      else done();
    } catch (error) {
      const { code, body } = error instanceof Refused ? error : { code: "", body: undefined };
      // What is refused for good is not offered again.
      const isOver = code !== "VALIDATION" && (body?.statusCode === 400 || body?.statusCode === 404);
      if (!isOver) throw error;
      form.hidden = true;
      tell(explain(error, "link"));
    }
  },
  "link",
);
reveal();
if (WHOLE.test(token)) form.hidden = false;
else tell(t(token ? "link.broken" : "link.missing"));
