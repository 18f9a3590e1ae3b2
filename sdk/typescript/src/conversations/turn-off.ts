// Turning a method off: the password, then a code of that method or a recovery code.

import type { Core, Resent, Shown } from "../core.js";
import type { MfaVerifyDisableResponse } from "../generated/identity.js";
import { type Refusal, type Step, begin, proceed } from "../steps.js";

/** The methods that are turned off with a code. A passkey is removed: `api.DELETE("/identity/mfa/methods/{factorId}", …)`. */
export type TurnOffMethod = "authenticator" | "email" | "sms";

/** Where turning off stands. */
export type TurnOffStep = Step<
  MfaVerifyDisableResponse,
  TurnOffChallenge,
  Refusal<"verifyMfaDisable"> | Refusal<"resendMfaCode">,
  Refusal<"disableMfa">
>;

/** The method stays on until this is answered. */
export interface TurnOffChallenge extends Shown, Resent {
  /** Sends a code of the method, or a recovery code. */
  answer(code: string): Promise<TurnOffStep>;
  /** Sends another code by mail or SMS. */
  resend(): Promise<TurnOffStep>;
}

/** Begins to turn a method off. */
export function turnOff(
  core: Core,
  method: TurnOffMethod,
  password: string,
  more: { readonly factorId?: string } = {},
): Promise<TurnOffStep> {
  const call = core.api.POST("/identity/mfa/disable", { body: { ...more, method, password } });
  return begin(call, (data): TurnOffStep => ({ challenge: challenge(core, data) }));
}

function challenge(core: Core, { mfaToken, ...shown }: Shown & Resent & { mfaToken: string }): TurnOffChallenge {
  const self: TurnOffChallenge = {
    ...shown,
    answer: (code) =>
      proceed(core.api.POST("/identity/mfa/disable/verify", { body: { mfaToken, code } }), self, (done) => ({ done })),
    resend: () =>
      proceed(core.api.POST("/identity/mfa/resend", { body: { mfaToken } }), self, (data) => ({
        challenge: challenge(core, { ...shown, ...data }),
      })),
  };
  return self;
}
