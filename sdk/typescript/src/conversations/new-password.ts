// A new password for one who has forgotten the old one: what the mail says, then the second factor, if there is one.

import type { Core } from "../core.js";
import type { PasswordResetResponse } from "../generated/identity.js";
import { type Refusal, type Step, begin, proceed } from "../steps.js";
import { type Challenge, type ChallengeRefusal, challenge } from "./challenge.js";

/** Where a new password stands. Its end signs nobody in. */
export type NewPasswordStep = Step<
  PasswordResetResponse,
  NewPasswordChallenge,
  Refusal<"verifyPasswordReset"> | Refusal<"verifyPasskeyPasswordReset"> | ChallengeRefusal,
  Refusal<"resetPassword">
>;

/** The mail was right, and a second factor is asked for before the password is changed. */
export interface NewPasswordChallenge extends Challenge<NewPasswordStep> {}

/** What the mail said: what follows the `#` of its link, or its code and the address. */
export type Mailed = { readonly token: string } | { readonly email: string; readonly code: string };

/** Begins to change the password. */
export function newPassword(core: Core, mailed: Mailed, password: string): Promise<NewPasswordStep> {
  const { api } = core;
  const done = (data: PasswordResetResponse) => ({ done: data });
  return begin(api.POST("/identity/password/reset", { body: { ...mailed, password } }), (data): NewPasswordStep => {
    if (data.status === "password_changed") return { done: data };
    return {
      challenge: challenge<NewPasswordStep>(core, data, {
        code: (body, self) => proceed(api.POST("/identity/password/reset/verify", { body }), self, done),
        passkey: (body, self) => proceed(api.POST("/identity/password/reset/verify-passkey", { body }), self, done),
      }),
    };
  });
}
