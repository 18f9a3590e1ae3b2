// @ts-check
// The script of the pages behind mailed links. Nothing is sent before the button is pressed.

const main = /** @type {HTMLElement} */ (document.querySelector("main"));
const form = /** @type {HTMLFormElement} */ (main.querySelector("form"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
// Where a link makes an account, its reader says the password: a stranger may have caused the mail.
const password = /** @type {HTMLInputElement | null} */ (form.querySelector("input[type=password]"));
const told = /** @type {HTMLElement} */ (main.querySelector("[role=status]"));
const post = /** @type {string} */ (main.dataset.post);

/** What these codes mean to who followed a link; the API's own sentences speak to programs.
 * @type {Record<string, string>} */
const WORDS = {
  MFA_TOKEN_INVALID: "This link does not work any more: its code was used, or a newer mail took its place. Open the link in your newest mail, or start again on the device that asks for the code.",
  MFA_TOKEN_EXPIRED: "This link is too old. Start again on the device that asks for the code, and a new mail will come.",
  REGISTRATION_TOKEN_INVALID: "This link does not work any more: your account was made already, or a newer mail took its place. Try to sign in; if that fails, register again.",
  REGISTRATION_TOKEN_EXPIRED: "This link is too old. Register again, and a new mail will come.",
  RESET_TOKEN_INVALID: "This link does not work any more: it was used, or a newer mail took its place. Open the link in your newest mail, or ask for a new one.",
  RESET_TOKEN_EXPIRED: "This link is too old. Ask for a new password once more, and a new mail will come.",
};

/** The same for a second step that came too late.
 * @type {Record<string, string>} */
const LATE = {
  MFA_TOKEN_INVALID: "This does not work any more. Ask for a new password once more, and a new mail will come.",
  MFA_TOKEN_EXPIRED: "That was too late. Ask for a new password once more, and a new mail will come.",
};

const WHOLE = /^(ml|rl|pr)_[\w-]{86}$/;

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
function tell(...lines) {
  told.replaceChildren(...lines.map((line) => Object.assign(document.createElement("p"), { textContent: line })));
}

/** Shows a code and what to know before typing it.
 * @param {{code: string, askedAt: string, askedFrom?: string}} answer */
function show(answer) {
  const when = new Date(answer.askedAt).toLocaleString();
  const from = answer.askedFrom ? ` from ${answer.askedFrom}` : "";
  tell(
    "Type this code on the device that asks for it:",
    answer.code,
    `It was asked for${from} on ${when}.`,
    "If this was not you, close this page and give the code to nobody.",
  );
  told.children[1].className = "code";
}

/** What is wrong with the password by its length alone; nothing if nothing is.
 * @param {HTMLInputElement} field */
function tooShort(field) {
  const [least, length] = [Number(field.dataset.least), [...field.value].length];
  return length < least ? `The password is too short: it has ${length} characters and needs at least ${least}.` : "";
}

/** Posts to this server.
 * @param {string} path
 * @param {object} body */
async function call(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    credentials: "omit",
    cache: "no-store",
  });
  return { response, answer: await response.json() };
}

/** Asks for the second step, before what the page is for is done.
 * @param {{mfaToken: string, method: string, mfaMethods: string[], message: string}} asked */
function ask(asked) {
  const second = /** @type {HTMLFormElement} */ (document.querySelector("#second"));
  const code = /** @type {HTMLInputElement} */ (second.querySelector("#code"));
  const passkey = /** @type {HTMLButtonElement} */ (second.querySelector("#passkey"));
  const { mfaToken } = asked;
  history.replaceState(null, "");
  second.hidden = false;
  passkey.hidden = !(asked.mfaMethods.includes("passkey") && "parseRequestOptionsFromJSON" in (window.PublicKeyCredential ?? {}));
  tell(asked.message);
  code.focus();

  /** @param {string} path @param {object} proof */
  const prove = async (path, proof) => {
    tell("One moment…");
    const { response, answer } = await call(path, { mfaToken, ...proof });
    // After these, another code is taken.
    const again = ["INVALID_MFA_CODE", "PASSKEY_REFUSED", "VALIDATION"].includes(answer.code) && answer.attemptsRemaining !== 0;
    second.hidden = !again && response.status < 500;
    tell(LATE[answer.code] ?? answer.message);
  };
  const guarded = (/** @type {() => Promise<void>} */ act) => act().catch(() => tell("That did not work. Please try again."));
  second.addEventListener("submit", (event) => {
    event.preventDefault();
    void guarded(() => prove(/** @type {string} */ (second.dataset.post), { code: code.value }));
  });
  passkey.addEventListener("click", () => void guarded(async () => {
    const { response, answer } = await call("/identity/mfa/login/passkey-options", { mfaToken });
    if (!response.ok) return tell(LATE[answer.code] ?? answer.message);
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(answer.publicKey);
    const given = /** @type {PublicKeyCredential | null} */ (await navigator.credentials.get({ publicKey }));
    if (given) await prove(`${second.dataset.post}-passkey`, { credential: given.toJSON() });
  }));
}

async function send() {
  const short = password ? tooShort(password) : "";
  if (short) return tell(short);
  button.disabled = true;
  tell("One moment…");
  try {
    const { response, answer } = await call(post, password ? { token, password: password.value } : { token });
    if (response.ok) {
      form.hidden = true;
      if (answer.status === "mfa_required") return ask(answer);
      if (answer.code) return show(answer);
      history.replaceState(null, "");
      return tell(answer.message, "You can close this page.");
    }
    const mendable = answer.code === "VALIDATION" && password;
    const flaws = () => answer.errors.map((/** @type {{message: string}} */ one) => one.message);
    tell(...(mendable ? flaws() : [WORDS[answer.code] ?? answer.message]));
    // What is refused for good is not offered again.
    form.hidden = !mendable && (response.status === 400 || response.status === 404);
  } catch {
    tell("The server cannot be reached. Please try again.");
  }
  button.disabled = false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void send();
});
if (WHOLE.test(token)) form.hidden = false;
else if (token) tell("This link did not arrive whole: some mail programs cut or change links. Copy the whole link from the mail into the address line of your browser.");
else tell("This page needs the whole link. Please open the link in the mail once more.");
