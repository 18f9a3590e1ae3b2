// The challenge that a second factor answers while nobody is signed in: at sign-in, and for a new password.

import type { Core, Resent, Shown } from "../core.js";
import type { MfaMethod, MfaVerifyRequest, PasskeyVerifyRequest } from "../generated/identity.js";
import { type PasskeyCancelled, type PasskeyOptions, usePasskey } from "../passkeys.js";
import { type Refusal, proceed } from "../steps.js";

/** A second factor is asked for. What is done about it leads to the next step. */
export interface Challenge<NextStep> extends Shown, Resent {
  /** The methods to switch to, the current one included. */
  readonly mfaMethods: readonly MfaMethod[];
  /** Sends what the user typed: the code of the method, or a recovery code. */
  answer(code: string): Promise<NextStep>;
  /** Lets the user finish by another method; a code by mail or SMS is sent now. */
  switchTo(method: MfaMethod): Promise<NextStep>;
  /** Sends another code by mail or SMS. */
  resend(): Promise<NextStep>;
  /** Finishes with a passkey, in a browser. */
  passkey(options?: PasskeyOptions): Promise<NextStep>;
}

/** What such a challenge may refuse, beside what the operations that take the proof do. */
export type ChallengeRefusal =
  | Refusal<"switchMfaMethod">
  | Refusal<"resendMfaCode">
  | Refusal<"getPasskeyOptions">
  | PasskeyCancelled;

/** What an answer of the server says of such a challenge. */
export interface Asked extends Shown, Resent {
  readonly mfaToken: string;
  readonly mfaMethods: readonly MfaMethod[];
}

/** The operations that take the proof: those of a sign-in, or of another flow. */
export interface Proofs<NextStep> {
  code(body: MfaVerifyRequest, self: Challenge<NextStep>): Promise<NextStep>;
  passkey(body: PasskeyVerifyRequest, self: Challenge<NextStep>): Promise<NextStep>;
}

/** A challenge. The errors of `NextStep` include a {@link ChallengeRefusal}; that is what the casts here rely on. */
export function challenge<NextStep>(core: Core, asked: Asked, proofs: Proofs<NextStep>): Challenge<NextStep> {
  const { mfaToken, mfaMethods, method, message, ...resent } = asked;
  const { api } = core;
  const again = (changed: Partial<Asked>) => ({
    challenge: challenge(core, { mfaToken, mfaMethods, method, message, ...changed }, proofs),
  });
  const self: Challenge<NextStep> = {
    method,
    message,
    mfaMethods,
    ...(resent.retryAfter !== undefined && resent),
    answer: (code) => proofs.code({ mfaToken, code }, self),
    switchTo: (other) =>
      proceed(api.POST("/identity/mfa/login/switch", { body: { mfaToken, method: other } }), self, again) as Promise<NextStep>,
    resend: () => proceed(api.POST("/identity/mfa/resend", { body: { mfaToken } }), self, again) as Promise<NextStep>,
    passkey: (options) =>
      proceed(api.POST("/identity/mfa/login/passkey-options", { body: { mfaToken } }), self, async ({ publicKey }) => {
        const { credential, error } = await usePasskey(publicKey, options);
        return error ? { challenge: self, error } : proofs.passkey({ mfaToken, credential }, self);
      }) as Promise<NextStep>,
  };
  return self;
}
