// Somebody in front of a back end: signs in as they should, or looks for a door that is open.

import type { Answer, Backend } from "./backend.js";
import type { Outcome } from "./report.js";
import type { Sandbox, User } from "./sandbox.js";

/** Ends a case that did not pass. */
export class Ended extends Error {
  readonly result: Outcome["result"];

  constructor(result: Outcome["result"], detail: string) {
    super(detail);
    this.result = result;
  }
}

/** Ends a case that could not be tried. */
export function untried(why: string): never {
  throw new Ended("untried", why);
}

/** A visitor of a back end that uses a sandbox. */
export class Visitor {
  readonly sandbox: Sandbox;
  readonly backend: Backend;

  constructor(sandbox: Sandbox, backend: Backend) {
    this.sandbox = sandbox;
    this.backend = backend;
  }

  /** Types the password, as the user should: what goes along with the code. */
  async begin({ email, password }: User): Promise<string> {
    const answer = await answered(this.backend.signIn(email, password));
    if (answer.session !== undefined) untried("The back end asked for no code, though the user has a second factor.");
    return answer.pending ?? untried("The back end refused the right password.");
  }

  /** Types the right code: the session, which opens the user's own resource. */
  async finish({ email }: User, pending: string, code: string): Promise<string> {
    const { session } = await answered(this.backend.secondStep(pending, code));
    if (session === undefined) return untried("The back end refused the right code.");
    const whose = await answered(this.backend.open(session));
    if (whose === undefined) return untried("The resource stayed closed after the right password and the right code.");
    if (whose.toLowerCase() !== email.toLowerCase()) {
      throw new Ended("failed", `${email} signed in, and was shown what belongs to ${whose}.`);
    }
    return session;
  }

  /** Signs in as the user should, with an authenticator app. */
  async signedIn(user: User): Promise<string> {
    const pending = await this.begin(user);
    return this.finish(user, pending, await this.appCode(user));
  }

  /** What the user's app shows. */
  appCode({ totpSecret }: User): Promise<string> {
    return this.sandbox.totpCode(totpSecret);
  }

  /** Signs out of the back end. */
  async signOut(session: string): Promise<void> {
    await answered(this.backend.signOut(session));
  }

  /** Types a code that must not help. */
  async mustRefuse(pending: string, code: string, how: string): Promise<void> {
    await this.mustNotLetIn(this.backend.secondStep(pending, code), how);
    await this.mustStayClosed(pending, `${how}, then what the first step returned`);
  }

  /** Looks at an answer that must let nobody in. No answer at all lets nobody in, either. */
  async mustNotLetIn(answer: Promise<Answer>, how: string): Promise<void> {
    const got = await answer.catch(() => undefined);
    const session = got?.session ?? got?.pending;
    if (session !== undefined) await this.mustStayClosed(session, how);
  }

  /** Sends something as a session that is none. */
  async mustStayClosed(session: string, how: string): Promise<void> {
    const whose = await this.backend.open(session).catch(() => undefined);
    if (whose !== undefined) throw new Ended("failed", `The resource of ${whose} opened. What was sent: ${how}.`);
  }

  /** Begins a sign-in at the server itself, past the back end, as an attacker can who knows the password: the `mfaToken`. */
  async mfaToken({ email, password }: User): Promise<string> {
    const { data } = await this.sandbox.client().api.POST("/identity/login", { body: { email, password } });
    return data?.status === "mfa_required" ? data.mfaToken : untried("The server asked for no code.");
  }
}

/** An answer that a case needs to go on. */
async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    return untried(`The back end did not answer: ${error instanceof Error ? error.message : String(error)}`);
  }
}
