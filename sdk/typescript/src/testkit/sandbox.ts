// The sandbox as a test uses it: people, messages, codes, the clock, and errors on purpose.

import { Client } from "../client.js";
import type { PasskeyCredential } from "../generated/identity.js";
import type { ForceErrorRequest, SandboxInfo, SandboxPerson, SentMessage } from "../generated/sandbox.js";
import { sandbox } from "../sandbox.js";
import { memoryStore } from "../store.js";
import { SandboxError } from "./error.js";
import { type Program, type StartOptions, run } from "./program.js";

/** A mail or a text message, as {@link Sandbox.waitForMessage} tells it. */
export type Message = SentMessage;

/** Somebody with an account, and what is needed to sign in. */
export interface User {
  /** The id, as `sub` of access tokens has it. */
  readonly id: string;
  /** The address. */
  readonly email: string;
  /** The password. */
  readonly password: string;
  /** The secret of the authenticator app, in base32; empty if there is none. */
  readonly totpSecret: string;
  /** The number for text messages, in E.164: the one in use, or one that can be set up. */
  readonly phoneNumber?: string | undefined;
  /** The recovery codes, each good once; empty if there are none. */
  readonly recoveryCodes: readonly string[];
  /**
   * A client that is signed in as this user, with fresh proof from when the user was made. It is a session of its own, apart
   * from those of your back end.
   */
  readonly client: Client;
}

/** How long a test waits for a message that it has caused, in milliseconds; and one call of the sandbox, in seconds. */
const PATIENCE = 10_000;
const WAIT = 5;

/** The typed calls of the sandbox's own API. */
type Tools = ReturnType<typeof sandbox>;

/**
 * A running sandbox. One that was started here ends with this process at the latest.
 *
 * All tests of one sandbox share its clock. A test that moves the clock needs a sandbox of its own.
 *
 * @example
 * ```ts
 * const sandbox = await Sandbox.start();
 * console.log(`tell your back end that the server is at ${sandbox.url}`);
 * ```
 */
export class Sandbox {
  /** Where the server is, without a slash at the end. */
  readonly url: string;
  /** `iss` and `aud` of its access tokens, for a back end that checks tokens itself. */
  readonly issuer: string;
  /** The typed calls of the sandbox's own API, for what has no method here. */
  readonly tools: Tools;
  readonly #program: Program | undefined;
  /** For each address, the number of the last message to it that a test has read. */
  readonly #read = new Map<string, number>();

  private constructor(url: string, about: SandboxInfo, tools: Tools, program: Program | undefined) {
    this.url = url;
    this.issuer = about.issuer;
    this.tools = tools;
    this.#program = program;
  }

  /**
   * Starts a sandbox of its own, on a free port, with the program that `COUNTERSIGN_BIN` names, or else with `countersign` from
   * `PATH`. It takes about a second.
   */
  static async start(options: StartOptions = {}): Promise<Sandbox> {
    const program = await run(options);
    return Sandbox.#serving(program.url, program);
  }

  /** Uses a sandbox that runs already. */
  static at(url: string): Promise<Sandbox> {
    return Sandbox.#serving(url, undefined);
  }

  /**
   * Uses the sandbox that `COUNTERSIGN_URL` names, as `countersign sandbox --exec 'npm test'` sets it, so that all tests share
   * one. Without that variable it starts one.
   */
  static fromEnv(): Promise<Sandbox> {
    const url = process.env["COUNTERSIGN_URL"];
    return url ? Sandbox.at(url) : Sandbox.start();
  }

  static async #serving(url: string, program: Program | undefined): Promise<Sandbox> {
    const baseUrl = url.replace(/\/+$/, "");
    const tools = sandbox({ baseUrl });
    const asked = await tools.GET("/sandbox").catch((cause: unknown) => ({ data: undefined, error: cause }));
    if (asked.data?.issuer) return new Sandbox(baseUrl, asked.data, tools, program);
    await program?.stop();
    const message = `there is no sandbox at ${url}. Start one with \`countersign sandbox\``;
    throw new SandboxError("NO_SANDBOX", message, asked.error);
  }

  /** Ends the sandbox, if it was started here. */
  async stop(): Promise<void> {
    await this.#program?.stop();
  }

  /** A client of the native API with nobody signed in, a new one at each call. */
  client(): Client {
    // Whoever reaches a sandbox reads every code anyway, so TLS would keep nothing secret.
    return new Client({ baseUrl: this.url, allowPlainHttp: true });
  }

  /** Makes somebody new without a second factor. */
  user(): Promise<User> {
    return this.#ofFixture("getCurrentUser");
  }

  /** Makes somebody new with an authenticator app, none of whose codes was used. */
  userWithTotp(): Promise<User> {
    return this.#ofFixture("beginStepUp");
  }

  /** Makes somebody new with codes by mail. */
  userWithEmail(): Promise<User> {
    return this.#ofFixture("listMfaMethods");
  }

  /** Makes somebody new with codes by text message. */
  async userWithSms(): Promise<User> {
    const user = await this.#ofFixture("setupMfa");
    const phoneNumber = user.phoneNumber ?? lacking("a fixture has no phone number");
    await this.#passOver(phoneNumber);
    const begun = await user.client.setUp("sms", user.password, { phoneNumber });
    const done = await begun.challenge?.answer(await this.lastCodeTo(phoneNumber));
    if (!done?.done) throw refused(done?.error ?? begun.error);
    return user;
  }

  /** Makes somebody new with a passkey on the sandbox's virtual device; see {@link Sandbox.usePasskey}. */
  userWithPasskey(): Promise<User> {
    return this.#ofFixture("verifyPasskeyStepUp");
  }

  /** Makes somebody new with an authenticator app and ten recovery codes, none of which was used. */
  async userWithRecoveryCodes(): Promise<User> {
    const user = await this.userWithTotp();
    const { data, error } = await user.client.api.POST("/identity/mfa/recovery-codes");
    if (!data) throw refused(error);
    return { ...user, recoveryCodes: data.recoveryCodes };
  }

  /** Makes somebody new who administers the server, with an authenticator app. */
  administrator(): Promise<User> {
    return this.#ofFixture("createApiKey");
  }

  /** Makes an API key for your back end, with scopes such as `tokens:validate`. */
  async apiKey(...scopes: ("tokens:validate" | "users:read")[]): Promise<string> {
    const { client } = await this.administrator();
    const body = { name: "A back end in a test", scopes };
    const { data, error } = await client.api.POST("/identity/api-keys", { body });
    if (!data) throw refused(error);
    return data.apiKey;
  }

  /**
   * Waits for a mail or text message to an address or number: the next one that was not read yet by this or by
   * {@link Sandbox.lastCodeTo}. With `kind`, such as `login_code`, messages of other kinds are passed over.
   */
  waitForMessage(to: string, kind?: string): Promise<Message> {
    return this.#message(to, (messages) => messages.find((message) => !kind || message.kind === kind));
  }

  /**
   * Waits for a message with a code to an address or number: the code. Each code is told once. If several came since, it is
   * the newest one.
   */
  async lastCodeTo(to: string): Promise<string> {
    const { code } = await this.#message(to, (messages) => [...messages].reverse().find((message) => message.code));
    return code ?? lacking("a message lost its code");
  }

  /**
   * The code that an authenticator app with this secret (base32) shows now, by the sandbox's clock (RFC 6238). A code works
   * once: for another one, advance the clock by 30 seconds.
   */
  async totpCode(secret: string): Promise<string> {
    const { data, error } = await this.tools.POST("/sandbox/authenticator-code", { body: { secret } });
    if (!data) throw refused(error);
    return data.code;
  }

  /**
   * Uses the passkey of a user, as their browser would: takes the `publicKey` options of a sign-in or a step-up, and gives the
   * credential to send.
   */
  async usePasskey(email: string, publicKey: Record<string, unknown>): Promise<PasskeyCredential> {
    const { data, error } = await this.tools.POST("/sandbox/passkeys/use", { body: { publicKey, email } });
    if (!data) throw refused(error);
    return data.credential as unknown as PasskeyCredential;
  }

  /** Lets so many seconds pass at once: what ends meanwhile is over. */
  async advance(seconds: number): Promise<void> {
    const { error } = await this.tools.POST("/sandbox/clock/advance", { body: { seconds: Math.ceil(seconds) } });
    if (error) throw refused(error);
  }

  /**
   * Has the next call of an operation answered with one of its documented errors, whoever calls. In a sandbox that several
   * tests share, use {@link Sandbox.forceFor}.
   */
  force(operationId: string, errorCode: string): Promise<void> {
    return this.#force({ operationId, errorCode });
  }

  /**
   * Has the next calls of an operation for this address answered with one of its documented errors. A call is for an address if
   * it carries the address or a token of its account.
   */
  forceFor(email: string, operationId: string, errorCode: string, times = 1): Promise<void> {
    return this.#force({ email, operationId, errorCode, times });
  }

  /** Has every call for this address answered with an error, wherever it is documented, until {@link Sandbox.reset}. */
  forceAllFor(email: string, errorCode: string): Promise<void> {
    return this.#force({ email, errorCode });
  }

  /**
   * Begins anew: only the people of the beginning, no sessions, no messages, no errors on purpose, and the true time. Users that
   * were made before are gone.
   */
  async reset(): Promise<void> {
    const { error } = await this.tools.POST("/sandbox/reset");
    if (error) throw refused(error);
    this.#read.clear();
  }

  async #force(body: ForceErrorRequest): Promise<void> {
    const { error } = await this.tools.POST("/sandbox/errors", { body });
    if (error) throw refused(error);
  }

  /** Waits until one of the unread messages to somebody is chosen. It and those before it count as read then. */
  async #message(to: string, choose: (messages: Message[]) => Message | undefined): Promise<Message> {
    const begun = Date.now();
    let after = this.#read.get(to) ?? 0;
    do {
      const { data, error } = await this.tools.GET("/sandbox/messages", { params: { query: { to, after, wait: WAIT } } });
      if (!data) throw refused(error);
      after = data.messages.at(-1)?.number ?? after;
      const message = choose(data.messages);
      if (message) {
        this.#read.set(to, message.number);
        return message;
      }
    } while (Date.now() - begun < PATIENCE);
    throw new SandboxError("NO_MESSAGE", `no message to ${to} came within ${PATIENCE / 1000} s`);
  }

  /** Notes that all messages to somebody up to now are of no interest. */
  async #passOver(to: string): Promise<void> {
    const { data, error } = await this.tools.GET("/sandbox");
    if (!data) throw refused(error);
    this.#read.set(to, data.lastMessage);
  }

  /** Makes the person of a fixture, with the session that the fixture has. */
  async #ofFixture(operationId: string): Promise<User> {
    const params = { path: { operationId }, query: { api: "identity" } } as const;
    const { data, error } = await this.tools.POST("/sandbox/fixtures/{operationId}", { params });
    if (!data) throw refused(error);
    const person: SandboxPerson = data.person ?? lacking("a fixture belongs to nobody");
    const accessToken = data.bearer ?? lacking("a fixture has no bearer");
    const store = memoryStore();
    await store.set({ accessToken, refreshToken: "", expiresAt: Infinity, renewAt: Infinity, signIn: person.id });
    // The mails that the fixture itself needed.
    await this.#passOver(person.email);
    const number = data.variables["phoneNumber"];
    return {
      id: person.id,
      email: person.email,
      password: person.password,
      totpSecret: person.authenticatorSecret ?? "",
      phoneNumber: person.phoneNumber ?? (typeof number === "string" ? number : undefined),
      recoveryCodes: person.recoveryCodes ?? [],
      client: new Client({ baseUrl: this.url, allowPlainHttp: true, store }),
    };
  }
}

/** The error of a call that the sandbox refused. */
function refused(error: unknown): SandboxError {
  const { code, message } = Object(error) as { code?: string; message?: string };
  return new SandboxError("REFUSED", `the sandbox refused a call: ${code ?? ""} ${message ?? ""}`.trim(), error);
}

function lacking(what: string): never {
  throw new SandboxError("UNFIT", `the sandbox is of another version than this package: ${what}`);
}
