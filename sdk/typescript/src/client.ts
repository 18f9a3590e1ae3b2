// The client: one session, the conversations that begin and change it, and typed calls for everything else.

import createClient, { type Client as Calls } from "openapi-fetch";

import { type Mailed, type NewPasswordStep, newPassword } from "./conversations/new-password.js";
import { type RegisterStep, register } from "./conversations/register.js";
import { type SetUpMethod, type SetUpRest, type SetUpStep, setUp } from "./conversations/set-up.js";
import { type PasskeySignInStep, type SignInStep, signIn, signInWithPasskey } from "./conversations/sign-in.js";
import { type StepUpStep, stepUp } from "./conversations/step-up.js";
import { type TurnOffMethod, type TurnOffStep, turnOff } from "./conversations/turn-off.js";
import type { Core } from "./core.js";
import { Failure, settled } from "./failure.js";
import type { ForgotPasswordAnswer, RegisterRequest, StepUpRequest, paths } from "./generated/identity.js";
import type { PasskeyOptions } from "./passkeys.js";
import { SAFE } from "./server.js";
import { type Refusal, begin } from "./steps.js";
import { type TokenStore, memoryStore } from "./store.js";
import { type Retry, type StepUpWanted, Transport } from "./transport.js";

/** How to make a {@link Client}. */
export interface ClientOptions {
  /** Where the server is, such as `https://id.example.com`. In a browser, by default, where the page is from. */
  readonly baseUrl?: string;
  /** Where the tokens are kept. In memory by default. */
  readonly store?: TokenStore;
  /**
   * Asks the user for fresh proof, when a call was refused for want of it: runs `client.stepUp()` to its end. Then the call is
   * made again. Any number of parallel calls ask once. If it returns without a lifted session, they get their refusal.
   *
   * It must not wait for a call that itself needs fresh proof: that would wait for it.
   */
  readonly stepUp?: (wanted: StepUpWanted) => unknown;
  /** Told when the session ends: signed out here, or found to be over. Show the sign-in. */
  readonly signedOut?: () => void;
  /** A key made by an administrator, sent with the calls that one opens. Never in a browser. */
  readonly apiKey?: string;
  /** How often a call may be made again where that is safe. Three tries within twenty seconds by default. */
  readonly retry?: Retry;
  /** For how many milliseconds to wait for an answer. 30,000 by default. */
  readonly timeout?: number;
  /** Allows plain http to another machine, where everybody on the way reads passwords and tokens. */
  readonly allowPlainHttp?: boolean;
  /** What sends a request, instead of the global `fetch`. */
  readonly fetch?: (request: Request) => Promise<Response>;
}

/**
 * A client of one server, for one user.
 *
 * What the user can do something about is a value to look at: a step's or a call's `error`, narrowed by its `code`. What the
 * user cannot mend is thrown as a {@link Failure}.
 *
 * @example
 * ```ts
 * const client = new Client({ baseUrl: "https://id.example.com" });
 * const step = await client.signIn(email, password);
 * if (step.challenge) console.log(step.challenge.message);
 * ```
 */
export class Client {
  /** Where the server is, without a slash at the end. */
  readonly baseUrl: string;
  /**
   * Every operation of the document, typed: `await client.api.GET("/identity/me")` is `{ data }` or `{ error }`. Bearer, renewal,
   * step-up and retries are those of this client. It is an `openapi-fetch` client.
   */
  readonly api: Calls<paths>;
  /**
   * Sends a request to this server as this user, with bearer, renewal and step-up. Give it to the clients of the other documents:
   * `netevia(client)`. Of their calls only reads are made again.
   */
  readonly fetch: (request: Request) => Promise<Response>;
  readonly #core: Core;

  /** A client; nothing is sent yet. */
  constructor(options: ClientOptions = {}) {
    const { location } = globalThis;
    const url = new URL(options.baseUrl ?? location?.origin, location?.href);
    if (url.protocol !== "https:" && !isLocal(url.hostname) && !options.allowPlainHttp) {
      throw new Failure(`Plain http to ${url.host} would show passwords to everybody on the way; see allowPlainHttp.`);
    }
    this.baseUrl = (url.origin + url.pathname).replace(/\/+$/, "");
    const transport = new Transport({
      base: this.baseUrl,
      store: options.store ?? memoryStore(),
      apiKey: options.apiKey,
      retry: { tries: 3, within: 20_000, ...options.retry },
      timeout: options.timeout ?? 30_000,
      fetch: options.fetch ?? ((request) => fetch(request)),
      stepUp: options.stepUp,
      signedOut: options.signedOut ?? (() => undefined),
    });
    this.fetch = (request) => transport.send(request);
    this.api = createClient<paths>({ ...SAFE, baseUrl: this.baseUrl, fetch: this.fetch });
    this.#core = { api: this.api, session: transport.session };
  }

  /** Signs in with a password: `done`, or a `challenge` for a second factor, or the `error` that ended it. */
  signIn(email: string, password: string): Promise<SignInStep> {
    return signIn(this.#core, email, password);
  }

  /**
   * Signs in with nothing but a passkey, in a browser. With `mediation: "conditional"` it waits until the user picks one in a field
   * with `autocomplete="username webauthn"`.
   */
  signInWithPasskey(options?: PasskeyOptions & { mediation?: CredentialMediationRequirement }): Promise<PasskeySignInStep> {
    return signInWithPasskey(this.#core, options);
  }

  /** Makes an account: a code by mail proves the address. Who proves it is signed in. */
  register(account: RegisterRequest): Promise<RegisterStep> {
    return register(this.#core, account);
  }

  /** Mails a link and a code for a new password. The answer is the same whether or not the address has an account. */
  async forgotPassword(email: string): Promise<{ done: ForgotPasswordAnswer; error?: never } | { error: Refusal<"forgotPassword">; done?: never }> {
    return begin(this.api.POST("/identity/password/forgot", { body: { email } }), (done) => ({ done }));
  }

  /** Changes a forgotten password by what the mail said; with a `challenge` where sign-in asks for a second factor. */
  newPassword(mailed: Mailed, password: string): Promise<NewPasswordStep> {
    return newPassword(this.#core, mailed, password);
  }

  /** Turns a method on. The challenge has what that method needs: a QR code, a resend, a passkey to be made. */
  setUp<Method extends SetUpMethod>(method: Method, password: string, ...rest: SetUpRest<Method>): Promise<SetUpStep<Method>> {
    return setUp(this.#core, method, password, rest[0]);
  }

  /** Turns a method off. Without a `factorId`, all authenticators go. */
  turnOff(method: TurnOffMethod, password: string, more?: { readonly factorId?: string }): Promise<TurnOffStep> {
    return turnOff(this.#core, method, password, more);
  }

  /** Lifts the session to fresh proof. On an account without a method, with `password`. */
  stepUp(request?: StepUpRequest): Promise<StepUpStep> {
    return stepUp(this.#core, request);
  }

  /** Ends the session, on the server and here. True, unless nobody was signed in any more. */
  async signOut(): Promise<boolean> {
    return !(await settled(this.api.POST("/identity/logout"))).error;
  }

  /** Whether there is a session. The server may have ended it since. */
  async isSignedIn(): Promise<boolean> {
    return (await this.#core.session.tokens()) !== undefined;
  }

  /** The bearer for a service of your own, renewed if it is near its end; `undefined` if nobody is signed in. */
  accessToken(): Promise<string | undefined> {
    return this.#core.session.fresh();
  }
}

function isLocal(host: string): boolean {
  return /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(host);
}
