// Signing in: a password, then the challenge; or a passkey alone.

import type { Core, Resent, Shown, SignedIn } from "../core.js";
import type { MfaLoginVerifyResponse, MfaMethod, TokenResponse } from "../generated/identity.js";
import { type PasskeyCancelled, type PasskeyOptions, usePasskey } from "../passkeys.js";
import { type Refusal, type Step, begin, proceed } from "../steps.js";

/** Where a sign-in stands. */
export type SignInStep = Step<SignedIn, SignInChallenge, SignInGoing, Refusal<"login">>;

/** What the steps of a sign-in may refuse once the password was right. */
type SignInGoing =
  | Refusal<"verifyMfaLogin">
  | Refusal<"switchMfaMethod">
  | Refusal<"resendMfaCode">
  | Refusal<"getPasskeyOptions">
  | Refusal<"verifyPasskeyLogin">
  | PasskeyCancelled;

/** Where a sign-in by a passkey alone stands: over, either way. */
export type PasskeySignInStep =
  | { readonly done: SignedIn; readonly error?: never }
  | {
      readonly error: Refusal<"getSignInPasskeyOptions"> | Refusal<"signInWithPasskey"> | PasskeyCancelled;
      readonly done?: never;
    };

/** The password was right, and a second factor is asked for. */
export interface SignInChallenge extends Shown, Resent {
  /** The methods to switch to, the current one included. */
  readonly mfaMethods: readonly MfaMethod[];
  /** Sends what the user typed: the code of the method, or a recovery code. */
  answer(code: string): Promise<SignInStep>;
  /** Lets the user finish by another method; a code by mail or SMS is sent now. */
  switchTo(method: MfaMethod): Promise<SignInStep>;
  /** Sends another code by mail or SMS. */
  resend(): Promise<SignInStep>;
  /** Finishes with a passkey, in a browser. */
  passkey(options?: PasskeyOptions): Promise<SignInStep>;
}

/** Begins a sign-in. */
export function signIn(core: Core, email: string, password: string): Promise<SignInStep> {
  return begin(core.api.POST("/identity/login", { body: { email, password } }), (data): Promise<SignInStep> | SignInStep =>
    data.status === "signed_in" ? signedIn(core, data) : { challenge: challenge(core, data) },
  );
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

interface At extends Shown, Resent {
  readonly mfaToken: string;
  readonly mfaMethods: readonly MfaMethod[];
}

function challenge(core: Core, { mfaToken, mfaMethods, method, message, ...resent }: At): SignInChallenge {
  const at = { mfaToken, mfaMethods, method, message };
  const { api } = core;
  const again = (changed: Partial<At>) => ({ challenge: challenge(core, { ...at, ...changed }) });
  const self: SignInChallenge = {
    method,
    message,
    mfaMethods,
    ...(resent.retryAfter !== undefined && resent),
    answer: (code) =>
      proceed(api.POST("/identity/mfa/login/verify", { body: { mfaToken, code } }), self, (data) => signedIn(core, data)),
    switchTo: (other) =>
      proceed(api.POST("/identity/mfa/login/switch", { body: { mfaToken, method: other } }), self, again),
    resend: () => proceed(api.POST("/identity/mfa/resend", { body: { mfaToken } }), self, again),
    passkey: (options) =>
      proceed(
        api.POST("/identity/mfa/login/passkey-options", { body: { mfaToken } }),
        self,
        async ({ publicKey }): Promise<SignInStep> => {
          const { credential, error } = await usePasskey(publicKey, options);
          if (error) return { challenge: self, error };
          const call = api.POST("/identity/mfa/login/verify-passkey", { body: { mfaToken, credential } });
          return proceed(call, self, (data) => signedIn(core, data));
        },
      ),
  };
  return self;
}
