// The suite that tries to get into a back end without the second factor.

import { ATTACKS } from "./attacks.js";
import { CASES, type Case } from "./cases.js";
import { type Outcome, Report } from "./report.js";
import type { Sandbox } from "./sandbox.js";
import { Ended, Visitor } from "./visitor.js";

/**
 * What your back end answers to a step of a sign-in. Exactly one of three:
 *
 * - `session`: the visitor is signed in. It is what their browser sends from then on: a cookie, or a token;
 * - `pending`: a code is asked for. It is what the browser sends along with it: a cookie, a hidden field, or the `mfaToken`;
 * - `refused`: the visitor is refused, with whatever error.
 */
export type Answer =
  | { readonly session: string; readonly pending?: never; readonly refused?: never }
  | { readonly pending: string; readonly session?: never; readonly refused?: never }
  | { readonly refused: true; readonly session?: never; readonly pending?: never };

/**
 * Your back end, as a visitor's browser sees it. Sessions are handed in, so that several visitors can come at once. What is
 * thrown counts as a closed door.
 */
export interface Backend {
  /** Types address and password into the page of your back end. */
  signIn(email: string, password: string): Promise<Answer>;
  /** Types a code: of the method, or a recovery code. `pending` is what {@link Backend.signIn} gave. */
  secondStep(pending: string, code: string): Promise<Answer>;
  /**
   * Asks for something that only signed-in people see. `session` is that of an answer, or what an attacker sends in its place.
   * Gives the address of the account that it was opened for, and `undefined` if it stayed closed.
   */
  open(session: string): Promise<string | undefined>;
  /** Signs out. */
  signOut(session: string): Promise<unknown>;
  /**
   * Whether your back end asks the server at each request if the session still counts. True by default. If it only checks the
   * signature of an access token, it learns of a deleted account when the token expires, so the case `deletedAccount` is skipped.
   */
  readonly asksAtEachRequest?: boolean;
}

/**
 * Tries every case on a back end that uses this sandbox as its server. It takes about fifteen seconds, and advances the clock by
 * an hour.
 *
 * @example
 * ```ts
 * const report = await check(sandbox, myBackend);
 * assert.ok(report.passed, String(report));
 * ```
 */
export async function check(sandbox: Sandbox, backend: Backend): Promise<Report> {
  const outcomes: Outcome[] = [];
  for (const of of CASES) outcomes.push(await checkOne(sandbox, backend, of));
  return new Report(outcomes);
}

/** Tries one case, for a test of its own for each. */
export async function checkOne(sandbox: Sandbox, backend: Backend, of: Case): Promise<Outcome> {
  try {
    await ATTACKS[of](new Visitor(sandbox, backend));
    return { case: of, result: "passed", detail: "" };
  } catch (error) {
    if (error instanceof Ended) return { case: of, result: error.result, detail: error.message };
    return { case: of, result: "untried", detail: error instanceof Error ? error.message : String(error) };
  }
}
