// Why a sandbox cannot be used, or did not do what a test asked of it.

/**
 * What goes wrong between a test and its sandbox:
 *
 * - `MISSING`: there is no program `countersign`;
 * - `NOT_STARTED`: the program ended before it served;
 * - `NO_SANDBOX`: what answers at the address is no sandbox, or nothing answers;
 * - `REFUSED`: the sandbox refused a call;
 * - `NO_MESSAGE`: no such message came;
 * - `UNFIT`: the sandbox is of another version, and its answer lacks something.
 */
export type SandboxErrorCode = "MISSING" | "NOT_STARTED" | "NO_SANDBOX" | "REFUSED" | "NO_MESSAGE" | "UNFIT";

/** What goes wrong between a test and its sandbox. Its message says what to do. */
export class SandboxError extends Error {
  /** `SandboxError`. */
  override readonly name = "SandboxError";
  /** What it is about. */
  readonly code: SandboxErrorCode;

  /** An error with this message. */
  constructor(code: SandboxErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
