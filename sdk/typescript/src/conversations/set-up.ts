// Turning a method on: each method has a challenge of its own shape.

import type { Core, Resent, Shown } from "../core.js";
import type { MfaSetupRequest, MfaSetupResponse, MfaVerifySetupResponse } from "../generated/identity.js";
import { type PasskeyCancelled, type PasskeyKnown, type PasskeyOptions, makePasskey } from "../passkeys.js";
import { type Refusal, type Step, begin, proceed } from "../steps.js";

/** The methods that can be set up. */
export type SetUpMethod = keyof SetUpChallenges;

/** Where a set-up stands. Its challenge is that of the method. */
export type SetUpStep<Method extends SetUpMethod = SetUpMethod> = Step<
  MfaVerifySetupResponse,
  SetUpChallenges[Method],
  SetUpGoing,
  Refusal<"setupMfa"> | Refusal<"verifyPasskeySetup">
>;

type SetUpGoing = Refusal<"verifyMfaSetup"> | Refusal<"resendMfaCode"> | PasskeyCancelled | PasskeyKnown;

/** The challenge of each method. */
export interface SetUpChallenges {
  /** Codes of an app. */
  authenticator: AppSetUp;
  /** Codes by mail. */
  email: MailSetUp;
  /** Codes by SMS. */
  sms: TextSetUp;
  /** A passkey. */
  passkey: PasskeySetUp;
}

/** An authenticator app is to be set up. Secret, link and picture say the same; they are shown this once. */
export interface AppSetUp extends Shown<"authenticator"> {
  /** The secret in base32, to be typed. */
  readonly secret: string;
  /** The secret as a link that authenticator apps open. */
  readonly otpauthUrl: string;
  /** The link as a QR code: the `src` of an image. */
  readonly qrCode: string;
  /** Sends the app's code. */
  answer(code: string): Promise<SetUpStep<"authenticator">>;
}

/** A code is on its way to the address of the account. */
export interface MailSetUp extends Shown<"email">, Resent {
  /** Sends the code from the mail. */
  answer(code: string): Promise<SetUpStep<"email">>;
  /** Sends another code. */
  resend(): Promise<SetUpStep<"email">>;
}

/** A code is on its way to a phone. */
export interface TextSetUp extends Shown<"sms">, Resent {
  /** The number, all but its beginning and its end hidden. */
  readonly phoneNumber: string;
  /** Sends the code from the SMS. */
  answer(code: string): Promise<SetUpStep<"sms">>;
  /** Sends another code. */
  resend(): Promise<SetUpStep<"sms">>;
}

/** A passkey is to be made, in a browser. What the server refuses takes a new set-up. */
export interface PasskeySetUp extends Shown<"passkey"> {
  /** Has the browser make the passkey, and sends it. */
  passkey(options?: PasskeyOptions): Promise<SetUpStep<"passkey">>;
}

/** What a set-up says beside method and password. */
export interface SetUpMore {
  /** What to call it. It takes a name to have several authenticators or passkeys. */
  readonly name?: string;
}

/** What a set-up says beside method and password: for `sms`, the number in international form, such as +12015550123. */
export type SetUpRest<Method extends SetUpMethod> = Method extends "sms"
  ? [more: SetUpMore & { readonly phoneNumber: string }]
  : [more?: SetUpMore];

/** Begins a set-up. */
export function setUp<Method extends SetUpMethod>(
  core: Core,
  method: Method,
  password: string,
  more?: SetUpMore,
): Promise<SetUpStep<Method>> {
  const body: MfaSetupRequest = { ...more, method, password };
  const begun = begin(core.api.POST("/identity/mfa/setup", { body }), (data): SetUpStep => ({ challenge: challenge(core, data) }));
  // The answer's method is the one that was asked for.
  return begun as Promise<SetUpStep<Method>>;
}

function challenge(core: Core, { mfaToken, ...shown }: MfaSetupResponse & Resent): SetUpChallenges[SetUpMethod] {
  const { api } = core;
  const done = (data: MfaVerifySetupResponse) => ({ done: data });
  if (shown.method === "passkey") {
    const { publicKey, ...rest } = shown;
    const self: PasskeySetUp = {
      ...rest,
      passkey: async (options) => {
        const { credential, error } = await makePasskey(publicKey, options);
        if (error) return { challenge: self, error };
        return begin(api.POST("/identity/mfa/setup/verify-passkey", { body: { mfaToken, credential } }), done);
      },
    };
    return self;
  }
  const self = {
    ...shown,
    answer: (code: string): Promise<SetUpStep> =>
      proceed(api.POST("/identity/mfa/setup/verify", { body: { mfaToken, code } }), self, done),
    ...(shown.method !== "authenticator" && {
      resend: (): Promise<SetUpStep> =>
        proceed(api.POST("/identity/mfa/resend", { body: { mfaToken } }), self, (data) => ({
          challenge: challenge(core, { ...shown, ...data }),
        })),
    }),
  } as SetUpChallenges[SetUpMethod];
  return self;
}
