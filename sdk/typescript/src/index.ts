/**
 * A typed client for Countersign: sign-in as a conversation, one session, and every call of the native API.
 *
 * @packageDocumentation
 */

export { Client, type ClientOptions } from "./client.js";
export { Failure, type FailureDetails, type FaultCode, unexpected } from "./failure.js";
export { type Tokens, type TokenStore, localStore, memoryStore, tabStore } from "./store.js";
export type { Retry, StepUpWanted } from "./transport.js";
export type { Coded, Final, FinalCode, Passing, Refusal, Step } from "./steps.js";
export type { Resent, Shown, SignedIn } from "./core.js";
export type { PasskeyCancelled, PasskeyKnown, PasskeyOptions } from "./passkeys.js";
export type { Challenge, ChallengeRefusal } from "./conversations/challenge.js";
export type { Mailed, NewPasswordChallenge, NewPasswordStep } from "./conversations/new-password.js";
export type { RegisterChallenge, RegisterStep } from "./conversations/register.js";
export type {
  AppSetUp,
  MailSetUp,
  PasskeySetUp,
  SetUpChallenges,
  SetUpMethod,
  SetUpMore,
  SetUpRest,
  SetUpStep,
  TextSetUp,
} from "./conversations/set-up.js";
export type { PasskeySignInStep, SignInChallenge, SignInStep } from "./conversations/sign-in.js";
export type { StepUpChallenge, StepUpStep, SteppedUp } from "./conversations/step-up.js";
export type { TurnOffChallenge, TurnOffMethod, TurnOffStep } from "./conversations/turn-off.js";
export type { components, operations, paths } from "./generated/identity.js";
export type { MfaMethod, RegisterRequest, StepUpRequest, User } from "./generated/identity.js";
