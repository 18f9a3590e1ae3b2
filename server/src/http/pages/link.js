// @ts-check
// The script of the pages behind mailed links. Nothing is sent before the button is pressed.

const main = /** @type {HTMLElement} */ (document.querySelector("main"));
const form = /** @type {HTMLFormElement} */ (main.querySelector("form"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
// Where a link makes an account, its reader says the password: a stranger may have caused the mail.
const password = /** @type {HTMLInputElement | null} */ (form.querySelector("input[type=password]"));
const told = /** @type {HTMLElement} */ (main.querySelector("[role=status]"));

const token = decodeURIComponent(location.hash.slice(1));
// Neither the address line nor the history keeps the token.
history.replaceState(null, "", location.pathname);

/** Shows lines, each a paragraph of plain text, in the place of what was told before.
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

async function send() {
  button.disabled = true;
  tell("One moment…");
  try {
    const response = await fetch(/** @type {string} */ (main.dataset.post), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(password ? { token, password: password.value } : { token }),
      credentials: "omit",
      cache: "no-store",
    });
    const answer = await response.json();
    if (response.ok) {
      form.hidden = true;
      if (answer.code) show(answer);
      else tell(answer.message, "You can close this page.");
      return;
    }
    const mendable = answer.code === "VALIDATION" && password;
    tell(...(mendable ? answer.errors.map((/** @type {{message: string}} */ one) => one.message) : [answer.message]));
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
if (token) form.hidden = false;
else tell("This page needs the whole link. Please open the link in the mail once more.");
