/**
 * Tests of your own back end, with a second factor and without a phone. For Node.js alone.
 *
 * A {@link Sandbox} is a Countersign server for tests. This starts one inside your test run, makes people for it, and tries
 * whether your back end can be entered without the second factor ({@link check}).
 *
 * @example
 * ```ts
 * import { Sandbox } from "countersign-sdk/testkit";
 *
 * const sandbox = await Sandbox.start();
 * const alice = await sandbox.userWithEmail();
 * const { challenge } = await sandbox.client().signIn(alice.email, alice.password);
 * const step = await challenge?.answer(await sandbox.lastCodeTo(alice.email));
 * await sandbox.stop();
 * ```
 *
 * @packageDocumentation
 */

export { type Answer, type Backend, check, checkOne } from "./backend.js";
export { type Case, CASES, holds, meaning } from "./cases.js";
export { SandboxError, type SandboxErrorCode } from "./error.js";
export type { StartOptions } from "./program.js";
export { type Outcome, Report } from "./report.js";
export { type Message, Sandbox, type User } from "./sandbox.js";
