// What the conversations share: the typed calls, and the session that their ends begin or lift.

import type { Client as Calls } from "openapi-fetch";

import type { paths, MfaMethod, User } from "./generated/identity.js";
import type { Session } from "./session.js";

/** The typed calls, and the session. */
export interface Core {
  readonly api: Calls<paths>;
  readonly session: Session;
}

/** The end of a sign-in. The tokens are with the client. */
export interface SignedIn {
  /** Who is signed in. */
  readonly user: User;
  /** How many recovery codes are left; only when one was just spent. */
  readonly recoveryCodesRemaining?: number;
}

/** What every challenge shows. */
export interface Shown<Method extends MfaMethod = MfaMethod> {
  /** The method that the challenge waits for. A newer server may have others than those of the type. */
  readonly method: Method;
  /** One sentence for the user: where to find the code. */
  readonly message: string;
}

/** What a challenge shows whose code was sent, once it has been sent again. */
export interface Resent {
  /** How many more times it can be sent; only after a `resend()`. */
  readonly resendsRemaining?: number;
  /** Seconds until the next `resend()` is let in; only after one. */
  readonly retryAfter?: number;
}
