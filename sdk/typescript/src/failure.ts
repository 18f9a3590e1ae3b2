// What is thrown: no answer, a fault of the server, or a code that this version does not know.

/** The codes that tell of a fault, and not of a refusal that a user could do something about. They are thrown. */
export type FaultCode =
  | "INTERNAL"
  | "SERVICE_UNAVAILABLE"
  | "REQUEST_TIMEOUT"
  | "PAYLOAD_TOO_LARGE"
  | "UNSUPPORTED_MEDIA_TYPE"
  | "MFA_WRONG_PURPOSE";

/** What is known of a failure beside its message. */
export interface FailureDetails {
  /** The HTTP status, if there was an answer. */
  readonly status?: number | undefined;
  /** The code of the error, if the answer was the server's own. */
  readonly code?: string | undefined;
  /** What to quote when you ask for help. */
  readonly requestId?: string | undefined;
  /** How many seconds to wait before the next try, if the server said so. */
  readonly retryAfter?: number | undefined;
  /** What led to it: the error of `fetch`, for example. */
  readonly cause?: unknown;
}

/**
 * Something that the user cannot mend: no answer came, the server has a fault or is busy, or it answered with a code that
 * this version does not know.
 *
 * No token, code or password is ever part of it.
 */
export class Failure extends Error {
  /** `Failure`. */
  override readonly name = "Failure";
  /** The HTTP status, if there was an answer. */
  readonly status: number | undefined;
  /** The code of the error, if the answer was the server's own. */
  readonly code: string | undefined;
  /** What to quote when you ask for help. */
  readonly requestId: string | undefined;
  /** How many seconds to wait before the next try, if the server said so. */
  readonly retryAfter: number | undefined;

  /** A failure with this message. */
  constructor(message: string, details: FailureDetails = {}) {
    super(message, { cause: details.cause });
    this.status = details.status;
    this.code = details.code;
    this.requestId = details.requestId;
    this.retryAfter = details.retryAfter;
  }
}

/** What every error of the server has. */
interface Body {
  code?: unknown;
  message?: unknown;
  requestId?: unknown;
  statusCode?: unknown;
  retryAfter?: unknown;
}

/** The failure that an error's body tells of. */
export function failure(error: unknown, response?: Response): Failure {
  const { code, message, requestId, statusCode, retryAfter } = (Object(error) ?? {}) as Body;
  const status = response?.status ?? (statusCode as number | undefined);
  const id = (requestId as string | undefined) ?? response?.headers.get("X-Request-Id") ?? undefined;
  const told = code ? `${code}: ${message}` : "The answer is not one of this server's.";
  return new Failure(`${status ?? ""} ${told}${id ? ` (request ${id})` : ""}`.trim(), {
    status,
    code: code as string | undefined,
    requestId: id,
    retryAfter: (response && pauseOf(response)) ?? (retryAfter as number | undefined),
  });
}

/**
 * For the `default` of a `switch` over `error.code`: it compiles only where every code has its `case`, and turns a code that
 * came with a newer server into a {@link Failure} to throw.
 *
 * @example
 * ```ts
 * switch (error.code) {
 *   case "INVALID_CREDENTIALS":
 *     return "Check the address and the password.";
 *   default:
 *     throw unexpected(error);
 * }
 * ```
 */
export function unexpected(error: never): Failure {
  return failure(error);
}

/** The header Retry-After in seconds; a proxy may send a date (RFC 9110 §10.2.3). */
export function pauseOf(response: Response): number | undefined {
  const text = response.headers.get("Retry-After");
  if (!text) return undefined;
  const seconds = Number(text);
  if (seconds >= 0) return seconds;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, (date - Date.now()) / 1000);
}

/** What came of a call, as `openapi-fetch` tells it. */
interface Told<Data, Problem> {
  data?: Data;
  error?: Problem;
  response: Response;
}

/** What came of a call: the answer, or a refusal. A fault is thrown. */
export async function settled<Data, Problem>(
  call: Promise<Told<Data, Problem>>,
): Promise<{ data: Data; error?: never } | { data?: never; error: Exclude<Problem, { code: FaultCode }> }> {
  const { data, error, response } = await call.catch((cause: unknown) => {
    // Its message quotes the answer, which may have a token in it.
    throw cause instanceof SyntaxError ? new Failure("The answer cannot be read.") : cause;
  });
  if (response.ok) return { data: data as Data };
  const code = (Object(error) as Body).code;
  const { status } = response;
  const isFault = status >= 500 || status === 408 || status === 413 || status === 415;
  if (isFault || typeof code !== "string" || code === "MFA_WRONG_PURPOSE") throw failure(error, response);
  return { error: error as Exclude<Problem, { code: FaultCode }> };
}
