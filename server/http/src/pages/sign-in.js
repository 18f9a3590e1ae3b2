// @ts-check
// Signing in: with a password and a second step, or with a passkey alone.

import { Refused, forget, isOwn, isSignedIn, keep, post } from "./api.js";
import { canUsePasskeys, usePasskey } from "./passkeys.js";
import { askSecond } from "./second.js";
import { $, carry, explain, notice, onSend, reveal, show, t } from "./ui.js";

/** Options for a passkey live five minutes; the browser is given new ones before that, in milliseconds. */
const OPTIONS_LIVE = 240_000;

/** @type {AbortController | undefined} */
let offered;

/** @param {{accessToken: string, refreshToken: string, expiresIn: number}} answer */
function enter(answer) {
  forget();
  keep(answer);
  location.replace("/account");
}

/** What was said before the last step, where it ended the sign-in.
 * @param {Refused} error */
function backToPassword(error) {
  $("#password").value = "";
  show("first", "#password");
  notice(explain(error, "sign-in"));
  void offer();
}

const form = $("#password-form");
onSend(form, async ({ email = "", password = "" }) => {
  notice("");
  const answer = await post("/identity/login", { email, password });
  offered?.abort();
  if (answer.status === "signed_in") return enter(answer);
  show("second");
  askSecond($("#second"), answer, {
    code: (body) => post("/identity/mfa/login/verify", body),
    passkey: (body) => post("/identity/mfa/login/verify-passkey", body),
    change: (mfaToken, method) => post("/identity/mfa/login/switch", { mfaToken, method }),
    done: enter,
    lost: backToPassword,
    takesRecoveryCodes: true,
  });
});

/** Signs in with nothing but a passkey.
 * @param {{mediation?: CredentialMediationRequirement, signal?: AbortSignal}} [how] */
async function alone(how) {
  const { passkeyToken, publicKey } = await post("/identity/passkey/options");
  const credential = await usePasskey(publicKey, how);
  enter(await post("/identity/passkey/login", { passkeyToken, credential }));
}

/** Lets the browser offer passkeys where the address is typed, for as long as the page asks for one. */
async function offer() {
  if (!$("#passkey-form") || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  offered?.abort();
  const mine = (offered = new AbortController());
  let renewed = false;
  const timer = setTimeout(() => {
    renewed = true;
    mine.abort();
  }, OPTIONS_LIVE);
  try {
    await alone({ mediation: "conditional", signal: mine.signal });
  } catch (error) {
    // Broken off by the user or by this page: nothing to say. A passkey that was refused is worth a sentence.
    if (error instanceof Refused && error.code === "PASSKEY_REFUSED") notice(explain(error, "sign-in"));
  }
  clearTimeout(timer);
  if (renewed && offered === mine) void offer();
}

if (isSignedIn() && (await isOwn())) {
  location.replace("/account");
} else {
  forget();
  reveal();
  if (location.hash) {
    const key = `notice.${location.hash.slice(1)}`;
    if (["notice.ended", "notice.signed-out", "notice.elsewhere", "notice.deleted"].includes(key)) notice(t(key));
    history.replaceState(null, "", location.pathname);
  }
  show("first", "#email");
  carry($("a[href='/forgot-password']"), $("#email"));
  const passkeys = document.querySelector("#passkey-form");
  if (passkeys instanceof HTMLFormElement && canUsePasskeys) {
    passkeys.hidden = false;
    onSend(passkeys, async () => {
      notice("");
      offered?.abort();
      try {
        await alone();
      } finally {
        void offer();
      }
    }, "sign-in");
    void offer();
  }
}
