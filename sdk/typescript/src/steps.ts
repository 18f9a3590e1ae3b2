// How a conversation goes on: one more challenge, its end, or what ended it; as types, and from the result of a call.

import { settled } from "./failure.js";
import type { operations } from "./generated/identity.js";

/** Anything that is told apart by its code. */
export interface Coded {
  /** The reason, in capitals. */
  readonly code: string;
}

type Json<Response> = Response extends { content: { "application/json": infer Body } } ? Body : never;

/**
 * What an operation may refuse, by its name in the document: a union to be narrowed by `code`. Faults (5xx and the like) are
 * not in it; they are thrown as a {@link Failure}.
 */
export type Refusal<Operation extends keyof operations> = Exclude<
  Json<operations[Operation]["responses"][keyof operations[Operation]["responses"] & (400 | 401 | 403 | 404 | 409 | 429)]>,
  { code: "MFA_WRONG_PURPOSE" }
>;

/** The codes after which a conversation is over, and has to be begun again. */
const FINAL = [
  "MFA_TOKEN_INVALID",
  "MFA_TOKEN_EXPIRED",
  "TOO_MANY_MFA_ATTEMPTS",
  "REGISTRATION_TOKEN_INVALID",
  "REGISTRATION_TOKEN_EXPIRED",
  "TOO_MANY_REGISTRATION_ATTEMPTS",
  "RESET_TOKEN_INVALID",
  "RESET_TOKEN_EXPIRED",
  "TOO_MANY_RESET_ATTEMPTS",
  "TOKEN_INVALID",
  "TOKEN_EXPIRED",
  "USER_NOT_FOUND",
  "MFA_ALREADY_ENABLED",
  "AUTHENTICATOR_NOT_CONFIGURED",
] as const;

/** The codes after which a conversation is over, and has to be begun again. */
export type FinalCode = (typeof FINAL)[number];

/** Of the errors of a conversation, those after which it goes on: the user may try again. */
export type Passing<E extends Coded> = Exclude<E, { code: FinalCode }>;

/** Of the errors of a conversation, those that end it. A wrong code ends it when no try is left. */
export type Final<E extends Coded> = Extract<E, { code: FinalCode } | { attemptsRemaining: number }>;

/**
 * Where a conversation stands. Exactly one of three:
 *
 * - `done`: it is over and has succeeded;
 * - `challenge`: it goes on. With an `error`, the last try did not do, and `error.attemptsRemaining` says what is left;
 * - `error` alone: it is over. Begin again, if at all.
 */
export type Step<Done, Challenge, Going extends Coded, Begun extends Coded = never> =
  | { readonly done: Done; readonly challenge?: never; readonly error?: never }
  | { readonly challenge: Challenge; readonly error?: Passing<Going>; readonly done?: never }
  | { readonly error: Final<Going> | Begun; readonly challenge?: never; readonly done?: never };

/** The beginning of a conversation. What is refused here is the end of it. */
export async function begin<Data, Problem, Next>(
  call: Promise<{ data?: Data; error?: Problem; response: Response }>,
  next: (data: Data) => Next | Promise<Next>,
) {
  const { data, error } = await settled(call);
  return error === undefined ? next(data as Data) : { error };
}

/** A further step. After most refusals the challenge stands. With `once`, what was sent is good for one try. */
export async function proceed<Data, Problem extends Coded, Next, Challenge>(
  call: Promise<{ data?: Data; error?: Problem; response: Response }>,
  challenge: Challenge,
  next: (data: Data) => Next | Promise<Next>,
  once = false,
) {
  const { data, error } = await settled(call);
  if (error === undefined) return next(data as Data);
  type Told = typeof error;
  const { code, attemptsRemaining } = error as Coded & { attemptsRemaining?: number };
  const isOver = once || attemptsRemaining === 0 || (FINAL as readonly string[]).includes(code);
  return isOver ? { error: error as unknown as Final<Told> } : { challenge, error: error as unknown as Passing<Told> };
}
