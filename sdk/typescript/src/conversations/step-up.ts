// Proving again who one is, within the same session.

import type { Core, Resent, Shown } from "../core.js";
import type { MfaMethod, StepUpChallengeResponse, StepUpCompleteResponse, StepUpRequest } from "../generated/identity.js";
import { type PasskeyCancelled, type PasskeyOptions, usePasskey } from "../passkeys.js";
import { type Refusal, type Step, begin, proceed } from "../steps.js";

/** Where a step-up stands. */
export type StepUpStep = Step<
  SteppedUp,
  StepUpChallenge,
  Refusal<"verifyStepUp"> | Refusal<"resendMfaCode"> | PasskeyCancelled,
  Refusal<"beginStepUp"> | Refusal<"verifyPasskeyStepUp">
>;

/** The session has given fresh proof. The new access token is with the client. */
export type SteppedUp = Pick<StepUpCompleteResponse, "acr" | "authTime" | "recoveryCodesRemaining">;

/** The session is lifted once this is answered. */
export interface StepUpChallenge extends Shown, Resent {
  /** The methods to switch to, the current one included. */
  readonly mfaMethods: readonly MfaMethod[];
  /** Sends what the user typed: the code of the method, or a recovery code. */
  answer(code: string): Promise<StepUpStep>;
  /** Begins anew with another method; a code by mail or SMS is sent now. */
  switchTo(method: MfaMethod): Promise<StepUpStep>;
  /** Sends another code by mail or SMS. */
  resend(): Promise<StepUpStep>;
  /** Finishes with a passkey, in a browser. What the server refuses takes a new step-up. */
  passkey(options?: PasskeyOptions): Promise<StepUpStep>;
}

/** Begins a step-up. */
export async function stepUp(core: Core, body: StepUpRequest = {}): Promise<StepUpStep> {
  const signIn = (await core.session.tokens())?.signIn;
  const lifted = async ({ acr, authTime, recoveryCodesRemaining, ...issued }: StepUpCompleteResponse) => {
    await core.session.lift(issued, signIn);
    return { done: { acr, authTime, ...(recoveryCodesRemaining !== undefined && { recoveryCodesRemaining }) } };
  };
  return begin(core.api.POST("/identity/step-up", { body }), (data): Promise<StepUpStep> | StepUpStep =>
    data.status === "stepped_up" ? lifted(data) : { challenge: challenge(core, data, lifted) },
  );
}

type Lifted = (data: StepUpCompleteResponse) => Promise<StepUpStep>;
type At = Pick<StepUpChallengeResponse, "mfaToken" | "mfaMethods" | "method" | "message" | "publicKey"> & Resent;

function challenge(core: Core, at: At, lifted: Lifted): StepUpChallenge {
  const { mfaToken, publicKey, mfaMethods, method, message, retryAfter, resendsRemaining } = at;
  const { api } = core;
  const self: StepUpChallenge = {
    method,
    message,
    mfaMethods,
    ...(retryAfter !== undefined && { retryAfter }),
    ...(resendsRemaining !== undefined && { resendsRemaining }),
    answer: (code) => proceed(api.POST("/identity/step-up/verify", { body: { mfaToken, code } }), self, lifted),
    switchTo: (other) => stepUp(core, { method: other }),
    resend: () =>
      proceed(api.POST("/identity/mfa/resend", { body: { mfaToken } }), self, (data) => ({
        challenge: challenge(core, { ...at, ...data }, lifted),
      })),
    passkey: async (options) => {
      if (!publicKey) {
        const step = await stepUp(core, { method: "passkey" });
        return step.challenge ? step.challenge.passkey(options) : step;
      }
      const { credential, error } = await usePasskey(publicKey, options);
      if (error) return { challenge: self, error };
      return begin(api.POST("/identity/step-up/verify-passkey", { body: { mfaToken, credential } }), lifted);
    },
  };
  return self;
}
