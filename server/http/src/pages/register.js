// @ts-check
// Making an account: the address and a password, then the code from the mail.

import { Refused, forget, keep, post } from "./api.js";
import { $, explain, notice, onSend, reveal, show } from "./ui.js";

/** After these only a new registration helps. */
const OVER = ["REGISTRATION_TOKEN_INVALID", "REGISTRATION_TOKEN_EXPIRED", "TOO_MANY_REGISTRATION_ATTEMPTS"];

let registrationToken = "";

function backToFirst() {
  show("first", "#email");
}

onSend($("#register-form"), async ({ email, password, firstName, lastName }) => {
  notice("");
  const names = Object.fromEntries(Object.entries({ firstName, lastName }).filter(([, name]) => name));
  ({ registrationToken } = await post("/identity/register", { email, password, ...names }));
  $("#code").value = "";
  show("proof");
});
onSend($("#code-form"), async ({ code }) => {
  try {
    const answer = await post("/identity/register/verify", { registrationToken, code });
    forget();
    keep(answer);
    location.replace("/account#welcome");
  } catch (error) {
    if (error instanceof Refused && (OVER.includes(error.code) || error.body.attemptsRemaining === 0)) {
      backToFirst();
      return notice(explain(error));
    }
    $("#code").select();
    throw error;
  }
});
$("#again").addEventListener("click", backToFirst);
reveal();
show("first", "#email");
