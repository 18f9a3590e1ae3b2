// @ts-check
// A forgotten password: the address, the code from the mail with a new password, and the second step where one is on.

import { Refused, post } from "./api.js";
import { askSecond } from "./second.js";
import { $, carried, explain, notice, onSend, reveal, show } from "./ui.js";

/** After these only a new mail helps. */
const OVER = ["RESET_TOKEN_INVALID", "RESET_TOKEN_EXPIRED", "TOO_MANY_RESET_ATTEMPTS"];

let email = "";

/** @param {Refused} [error] */
function backToFirst(error) {
  show("first", "#email");
  notice(error ? explain(error, "reset") : "");
}

onSend($("#forgot-form"), async (values) => {
  notice("");
  email = values.email ?? "";
  await post("/identity/password/forgot", { email });
  $("[name=username]").value = email;
  show("choose");
});
onSend($("#new-form"), async ({ code, password }) => {
  try {
    const answer = await post("/identity/password/reset", { email, code, password });
    if (answer.status !== "mfa_required") return show("done");
    show("second");
    askSecond($("#second"), answer, {
      code: (body) => post("/identity/password/reset/verify", body),
      passkey: (body) => post("/identity/password/reset/verify-passkey", body),
      change: (mfaToken, method) => post("/identity/mfa/login/switch", { mfaToken, method }),
      done: () => show("done"),
      lost: backToFirst,
      takesRecoveryCodes: true,
    });
  } catch (error) {
    if (error instanceof Refused && (OVER.includes(error.code) || error.body.attemptsRemaining === 0)) return backToFirst(error);
    throw error;
  }
});
$("#again").addEventListener("click", () => backToFirst());
reveal();
carried($("#email"));
show("first", "#email");
