// A small back end of an integrator: an HTTP server with sessions of its own, which signs people in by the SDK. It can be given
// a flaw, which the test kit has to find.

import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { Client, Failure } from "countersign-sdk";
import type { Answer, Backend, Case } from "countersign-sdk/testkit";

/** A running shop, as a browser sees it. */
export interface Shop extends Backend {
  /** Closes it. */
  close(): void;
}

interface Pending {
  readonly email: string;
  readonly password: string;
  readonly mfaToken: string;
}

/** Without a client it counts all the same, in a flawed shop. */
interface Session {
  readonly email: string;
  readonly client?: Client | undefined;
}

type Reply = { status: number; body: Record<string, string> };
type Body = Record<string, string>;

const REFUSED: Reply = { status: 401, body: {} };

/** Opens a shop whose people sign in at this server, with the flaw that a case is to find. */
export async function shop(url: string, flaw?: Case): Promise<Shop> {
  const counter = new Counter(url, flaw);
  const server = createServer((request, response) => void serve(counter, request, response));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  const post = async (path: string, body: Body): Promise<Reply> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body: JSON.stringify(body) });
    return { status: answer.status, body: (await answer.json()) as Body };
  };
  return {
    signIn: async (email, password) => answer(await post("/sign-in", { email, password })),
    secondStep: async (pending, code) => answer(await post("/code", { pending, code })),
    open: async (session) => {
      const { status, body } = await post("/orders", { session });
      return status === 200 ? body["of"] : undefined;
    },
    signOut: (session) => post("/sign-out", { session }),
    close: () => void server.close(),
  };
}

function answer({ status, body }: Reply): Answer {
  if (status === 200) return { session: body["session"] ?? "" };
  if (status === 202) return { pending: body["pending"] ?? "" };
  return { refused: true };
}

async function serve(counter: Counter, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = "";
  for await (const part of request) text += part;
  const { status, body } = await counter.reply(request.url ?? "", JSON.parse(text) as Body).catch(() => ({ status: 502, body: {} }));
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

/** What the server of a shop keeps and does. */
class Counter {
  readonly #url: string;
  readonly #flaw: Case | undefined;
  readonly #pending = new Map<string, Pending>();
  readonly #sessions = new Map<string, Session>();
  readonly #passwords = new Map<string, string>();
  readonly #accepted = new Set<string>();
  #lastPending: string | undefined;
  #count = 0;

  constructor(url: string, flaw: Case | undefined) {
    this.#url = url;
    this.#flaw = flaw;
  }

  async reply(path: string, body: Body): Promise<Reply> {
    if (path === "/sign-in") return this.#signIn(body["email"] ?? "", body["password"] ?? "");
    if (path === "/code") return this.#secondStep(body["pending"] ?? "", body["code"] ?? "");
    if (path === "/orders") return this.#orders(body["session"] ?? "");
    return this.#signOut(body["session"] ?? "");
  }

  #admit(email: string, client?: Client): Reply {
    const session = `session-${(this.#count += 1)}`;
    this.#sessions.set(session, { email, client });
    return { status: 200, body: { session } };
  }

  async #signIn(email: string, password: string): Promise<Reply> {
    const client = new Client({ baseUrl: this.#url });
    const { data, error } = await client.api.POST("/identity/login", { body: { email, password } });
    if (error && isFault(error.statusCode) && this.#flaw === "outageAtPassword") {
      return this.#passwords.get(email) === password ? this.#admit(email) : REFUSED;
    }
    if (data?.status !== "mfa_required") return REFUSED;
    if (this.#flaw === "passwordAlone") return this.#admit(email);
    const pending = `pending-${(this.#count += 1)}`;
    this.#pending.set(pending, { email, password, mfaToken: data.mfaToken });
    this.#lastPending = pending;
    return { status: 202, body: { pending } };
  }

  /** Sends a code to the server: with the right one a session, and otherwise the error. */
  async #verify({ email, password, mfaToken }: Pending, code: string): Promise<Reply | { code: string; statusCode: number }> {
    const client = new Client({ baseUrl: this.#url });
    const { data, error } = await client.api.POST("/identity/mfa/login/verify", { body: { mfaToken, code } });
    if (!data) return error;
    this.#accepted.add(`${email} ${code}`);
    this.#passwords.set(email, password);
    const { accessToken, refreshToken } = data;
    let kept = { accessToken, refreshToken, expiresAt: Infinity, renewAt: Infinity, signIn: "shop" };
    const store = { get: () => kept, set: (tokens: typeof kept | undefined) => void (kept = tokens ?? kept) };
    return this.#admit(email, new Client({ baseUrl: this.#url, store }));
  }

  async #secondStep(name: string, code: string): Promise<Reply> {
    const pending = this.#pending.get((this.#flaw === "crossedSignIns" && this.#lastPending) || name);
    if (!pending) return REFUSED;
    if (this.#letsInUnasked(pending, code)) return this.#admit(pending.email);
    const answer = await this.#verify(pending, code);
    return "body" in answer ? answer : this.#afterARefusal(pending, code, answer);
  }

  /** The flaws of a shop that does not ask the server. */
  #letsInUnasked({ email }: Pending, code: string): boolean {
    const accepted = this.#accepted.has(`${email} ${code}`);
    switch (this.#flaw) {
      case "wrongCode":
        return code.length === 6;
      case "emptyCode":
        return code === "";
      case "usedCode":
        return code.length === 6 && accepted;
      case "usedRecoveryCode":
        return code.length > 6 && accepted;
      default:
        return false;
    }
  }

  /** The flaws of a shop that does not take no for an answer. */
  async #afterARefusal(pending: Pending, code: string, error: { code: string; statusCode: number }): Promise<Reply> {
    const { email, password } = pending;
    if (this.#flaw === "lockedMethod" && error.code === "MFA_METHOD_LOCKED") return this.#admit(email);
    if (this.#flaw === "refusedCode" && error.code === "TOO_MANY_MFA_ATTEMPTS") return this.#admit(email);
    if (this.#flaw === "outageAtCode" && isFault(error.statusCode)) return this.#admit(email);
    if (this.#flaw === "codeOfAnother") {
      for (const other of [...this.#pending.values()]) {
        if ("body" in (await this.#verify(other, code))) return this.#admit(email);
      }
    }
    if (this.#flaw === "expiredChallenge" && error.code === "MFA_TOKEN_EXPIRED") {
      const { data } = await new Client({ baseUrl: this.#url }).api.POST("/identity/login", { body: { email, password } });
      if (data?.status !== "mfa_required") return REFUSED;
      const answer = await this.#verify({ email, password, mfaToken: data.mfaToken }, code);
      return "body" in answer ? answer : REFUSED;
    }
    return REFUSED;
  }

  async #orders(name: string): Promise<Reply> {
    const session = this.#sessions.get(name);
    const of = session ? await this.#ofASession(session) : await this.#ofNoSession(name);
    if (of === undefined) return REFUSED;
    return { status: 200, body: { of: this.#flaw === "rightSignIn" ? "somebody.else@example.com" : of } };
  }

  async #ofASession({ email, client }: Session): Promise<string | undefined> {
    if (!client || this.#flaw === "deletedAccount") return email;
    return (await client.api.GET("/identity/me")).data?.email;
  }

  /** The flaws of a shop that takes something else for a session. */
  async #ofNoSession(name: string): Promise<string | undefined> {
    switch (this.#flaw) {
      case "madeUpSession":
        return name.startsWith("session") ? "guest@example.com" : undefined;
      case "forgedToken": {
        const claims = name.split(".")[1];
        return claims && (JSON.parse(Buffer.from(claims, "base64url").toString()) as { sub: string }).sub;
      }
      case "challengeAsSession":
        return this.#pending.get(name)?.email;
      case "outageAtRequest": {
        const answer = await fetch(`${this.#url}/identity/me`, { headers: { Authorization: `Bearer ${name}` } });
        return isFault(answer.status) ? "somebody" : undefined;
      }
      default:
        return undefined;
    }
  }

  async #signOut(name: string): Promise<Reply> {
    if (this.#flaw !== "endedSession") {
      const client = this.#sessions.get(name)?.client;
      this.#sessions.delete(name);
      // The session is over here, even if the server cannot be told.
      await client?.signOut().catch((error: unknown) => error instanceof Failure);
    }
    return { status: 200, body: {} };
  }
}

function isFault(status: number): boolean {
  return status >= 500;
}
