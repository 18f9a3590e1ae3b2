// Making an account: the address is proved by a mailed code.

import type { Core, SignedIn } from "../core.js";
import type { RegisterRequest } from "../generated/identity.js";
import { type Refusal, type Step, begin, proceed } from "../steps.js";
import { signedIn } from "./sign-in.js";

/** Where a registration stands. */
export type RegisterStep = Step<SignedIn, RegisterChallenge, Refusal<"verifyRegistration">, Refusal<"registerUser">>;

/** If the address can be registered, a code is on its way to it. */
export interface RegisterChallenge {
  /** One sentence for the user. */
  readonly message: string;
  /** Sends the code from the mail. Its end is a signed-in user. */
  answer(code: string): Promise<RegisterStep>;
}

/** Begins a registration. */
export function register(core: Core, body: RegisterRequest): Promise<RegisterStep> {
  return begin(core.api.POST("/identity/register", { body }), ({ message, registrationToken }): RegisterStep => {
    const challenge: RegisterChallenge = {
      message,
      answer: (code) =>
        proceed(core.api.POST("/identity/register/verify", { body: { registrationToken, code } }), challenge, (data) =>
          signedIn(core, data),
        ),
    };
    return { challenge };
  });
}
