// Signing in: a password, then the challenge; or a passkey alone.

import type { Core, SignedIn } from "../core.js";
import type { MfaLoginVerifyResponse, TokenResponse } from "../generated/identity.js";
import { type PasskeyCancelled, type PasskeyOptions, usePasskey } from "../passkeys.js";
import { type Refusal, type Step, begin, proceed } from "../steps.js";
import { type Challenge, type ChallengeRefusal, challenge } from "./challenge.js";

/** Where a sign-in stands. */
export type SignInStep = Step<
  SignedIn,
  SignInChallenge,
  Refusal<"verifyMfaLogin"> | Refusal<"verifyPasskeyLogin"> | ChallengeRefusal,
  Refusal<"login">
>;

/** Where a sign-in by a passkey alone stands: over, either way. */
export type PasskeySignInStep =
  | { readonly done: SignedIn; readonly error?: never }
  | {
      readonly error: Refusal<"getSignInPasskeyOptions"> | Refusal<"signInWithPasskey"> | PasskeyCancelled;
      readonly done?: never;
    };

/** The password was right, and a second factor is asked for. */
export interface SignInChallenge extends Challenge<SignInStep> {}

/** Begins a sign-in. */
export function signIn(core: Core, email: string, password: string): Promise<SignInStep> {
  const { api } = core;
  const done = (data: MfaLoginVerifyResponse) => signedIn(core, data);
  return begin(api.POST("/identity/login", { body: { email, password } }), (data): Promise<SignInStep> | SignInStep => {
    if (data.status === "signed_in") return signedIn(core, data);
    return {
      challenge: challenge<SignInStep>(core, data, {
        code: (body, self) => proceed(api.POST("/identity/mfa/login/verify", { body }), self, done),
        passkey: (body, self) => proceed(api.POST("/identity/mfa/login/verify-passkey", { body }), self, done),
      }),
    };
  });
}

/** Signs in with nothing but a passkey. */
export async function signInWithPasskey(
  core: Core,
  options?: PasskeyOptions & { mediation?: CredentialMediationRequirement },
): Promise<PasskeySignInStep> {
  return begin(core.api.POST("/identity/passkey/options"), async ({ passkeyToken, publicKey }): Promise<PasskeySignInStep> => {
    const { credential, error } = await usePasskey(publicKey, options);
    if (error) return { error };
    return begin(core.api.POST("/identity/passkey/login", { body: { passkeyToken, credential } }), (data) => signedIn(core, data));
  });
}

/** Keeps the tokens, and tells the rest. */
export async function signedIn(core: Core, data: TokenResponse | MfaLoginVerifyResponse) {
  await core.session.begin(data);
  const left = "recoveryCodesRemaining" in data ? data.recoveryCodesRemaining : undefined;
  return { done: { user: data.user, ...(left !== undefined && { recoveryCodesRemaining: left }) } };
}
