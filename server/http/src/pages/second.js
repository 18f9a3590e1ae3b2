// @ts-check
// The second step: at sign-in, for fresh proof, for a new password, and when a method is set up.

import { Refused, post } from "./api.js";
import { canUsePasskeys, usePasskey } from "./passkeys.js";
import { $, copy, countDown, element, explain, forgive, has, onSend, t } from "./ui.js";

/** @typedef {{mfaToken: string, method: string, mfaMethods?: string[], message: string, publicKey?: object}} Asked */
/** @typedef {{
 *   code: (body: {mfaToken: string, code: string}) => Promise<any>,
 *   passkey?: (body: {mfaToken: string, credential: object}) => Promise<any>,
 *   change?: (mfaToken: string, method: string) => Promise<Partial<Asked>>,
 *   done: (answer: any) => unknown,
 *   lost: (error: Refused) => unknown,
 *   takesRecoveryCodes?: boolean,
 * }} Way How this step is answered, and what follows. */

/** After these the challenge is over, and only a new one helps. */
const OVER = ["MFA_TOKEN_INVALID", "MFA_TOKEN_EXPIRED", "MFA_WRONG_PURPOSE", "USER_NOT_FOUND", "AUTHENTICATOR_NOT_CONFIGURED"];

/** Those of some methods that this page and this browser can use. @param {string[]} methods */
export const usable = (methods) => methods.filter((method) => has(`method.${method}`) && (method !== "passkey" || canUsePasskeys));

/** Methods whose codes are sent. */
const SENT = ["email", "sms"];

/** Methods whose codes are digits, and how many digits a code has at least. */
const DIGITS = [...SENT, "authenticator"];
const LEAST = 6;

/** Asks for the second step in a place.
 * @param {HTMLElement} place @param {Asked} asked @param {Way} way */
export function askSecond(place, asked, way) {
  const step = copy("second-step");
  place.replaceChildren(step);
  const [codes, passkeys, resend] = [".code-form", ".passkey-form", ".resend"].map((one) => $(one, step));
  const [others, told, input] = [".others", ".told", "input"].map((one) => $(one, step));
  let now = asked;
  let usesRecovery = asked.method === "recovery_code";

  /** Tells a challenge that is over from one that goes on. @param {unknown} error */
  const judged = (error) => {
    if (error instanceof Refused && (OVER.includes(error.code) || error.body.attemptsRemaining === 0)) way.lost(error);
    throw error;
  };

  const draw = () => {
    const isPasskey = now.method === "passkey" && !usesRecovery;
    const unsent = /^No code/.test(now.message) && SENT.includes(now.method);
    const key = `second.told.${usesRecovery ? "recovery" : unsent ? "unsent" : now.method}`;
    // Newer servers may have methods that these pages do not know.
    told.textContent = has(key) ? t(key) : now.message;
    codes.hidden = isPasskey;
    passkeys.hidden = !isPasskey;
    resend.hidden = usesRecovery || !SENT.includes(now.method);
    $("label", codes).textContent = t(usesRecovery ? "second.recovery-code" : SENT.includes(now.method) ? "second.code-mail" : "second.code");
    input.inputMode = usesRecovery ? "text" : "numeric";
    input.autocomplete = usesRecovery ? "off" : "one-time-code";
    if (DIGITS.includes(now.method) && !usesRecovery) input.minLength = LEAST;
    else input.removeAttribute("minlength");
    input.value = "";
    // What was wrong with one method's code says nothing of another's.
    for (const form of [codes, passkeys, resend]) forgive(form);
    drawOthers();
    (isPasskey ? $("button", passkeys) : input).focus();
  };

  const drawOthers = () => {
    const further = (way.change ? (now.mfaMethods ?? []) : []).filter((method) => usesRecovery || method !== now.method);
    const items = usable(further).map((method) => choice(t(`method.${method}`), () => switchTo(method)));
    const offersRecovery = way.takesRecoveryCodes && !usesRecovery;
    if (offersRecovery) items.push(choice(t("second.use-recovery"), () => void ((usesRecovery = true), draw())));
    $("ul", others).replaceChildren(...items);
    $(".form-error", others).textContent = "";
    others.hidden = items.length === 0;
  };

  /** @param {string} label @param {() => unknown} act */
  const choice = (label, act) => {
    const button = element("button", label, "second-choice");
    button.setAttribute("type", "button");
    button.addEventListener("click", async () => {
      if (others.ariaBusy === "true") return;
      others.ariaBusy = "true";
      try {
        await act();
      } catch (error) {
        $(".form-error", others).textContent = explain(error);
      }
      others.ariaBusy = "false";
    });
    const item = document.createElement("li");
    item.append(button);
    return item;
  };

  /** @param {string} method */
  const switchTo = async (method) => {
    if (method !== now.method) {
      const change = /** @type {NonNullable<Way["change"]>} */ (way.change);
      now = { ...now, ...(await change(now.mfaToken, method).catch(judged)) };
    }
    usesRecovery = false;
    draw();
  };

  onSend(codes, async ({ code = "" }) => {
    const answer = await way.code({ mfaToken: now.mfaToken, code }).catch((error) => {
      input.select();
      return judged(error);
    });
    await way.done(answer);
  });
  onSend(passkeys, async () => {
    const prove = /** @type {NonNullable<Way["passkey"]>} */ (way.passkey);
    const { mfaToken } = now;
    const { publicKey } = now.publicKey ? now : await post("/identity/mfa/login/passkey-options", { mfaToken }).catch(judged);
    const credential = await usePasskey(publicKey);
    // Options are good for one credential.
    now = { ...now, publicKey: undefined };
    await way.done(await prove({ mfaToken, credential }).catch(judged));
  });
  onSend(resend, async () => {
    const sent = await post("/identity/mfa/resend", { mfaToken: now.mfaToken }).catch(judged);
    now = { ...now, ...sent };
    draw();
    told.textContent = t("second.resent");
    told.focus();
    if (sent.resendsRemaining === 0) resend.hidden = true;
    else countDown(resend, sent.retryAfter);
  });
  draw();
}
