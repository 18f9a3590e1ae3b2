// The server that the tests talk to, with what a person has beside it: a mailbox, a phone and a password.
//
// Everything that starts a server is here, and nowhere else.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import assert from "node:assert/strict";

import { generate } from "otplib";

import { Client, type ClientOptions } from "countersign-sdk";
import { sandbox } from "countersign-sdk/sandbox";

/** The password of everybody. */
export const PASSWORD = "correct horse battery staple";

const PATIENCE = 30_000;
const ROOT = resolve(import.meta.dirname, "../../..");

/** The server's program. */
export const BINARY = process.env["COUNTERSIGN_BINARY"] ?? join(ROOT, "target/debug/countersign");

/** A running server. */
export interface Server {
  /** `http://localhost:PORT`. */
  readonly url: string;
  /** The same, as clients call it. */
  readonly baseUrl: string;
  /** A client of it. */
  client(options?: ClientOptions): Client;
  /** The newest code in a mail to an address that was not read before. */
  mailed(email: string): Promise<string>;
  /** Stops it, and removes its folder. */
  stop(): Promise<void>;
}

/** Starts a server with these settings, without their prefix; as a sandbox, it has a clock that can be moved, and errors on purpose. */
export async function start(settings: Record<string, string> = {}, command: "serve" | "sandbox" = "serve"): Promise<Server> {
  assert.ok(existsSync(BINARY), `${BINARY} is not built; \`cargo build --bin countersign\` does`);
  const folder = mkdtempSync(join(tmpdir(), "countersign-sdk-"));
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const environment: Record<string, string> = {
    LISTEN: `127.0.0.1:${port}`,
    // A sandbox keeps everything to itself.
    ...(command === "serve" && { DATA_DIR: join(folder, "data") }),
    // Many tests at once hash many passwords at once.
    HASH_QUEUE: "64",
    ...settings,
  };
  const child = spawn(BINARY, [command], {
    cwd: folder,
    env: Object.fromEntries(Object.entries(environment).map(([name, value]) => [`COUNTERSIGN_${name}`, value])),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  for (const output of [child.stdout, child.stderr]) output.on("data", (text: Buffer) => (log += text.toString()));
  await until(async () => {
    assert.equal(child.exitCode, null, `the server ended:\n${log}`);
    return (await fetch(`${url}/readyz`).catch(() => undefined))?.ok;
  }, () => `the server is not ready:\n${log}`);

  const read = new Set<string>();
  return {
    url,
    baseUrl: url,
    client: (options) => new Client({ baseUrl: url, ...options }),
    mailed: (email) =>
      until(
        () => (command === "serve" ? newest(join(folder, "data/outbox"), email, read) : message(url, email, read)),
        () => `no mail to ${email}:\n${log}`,
      ),
    stop: () => stop(child, folder),
  };
}

/** Someone with an account, and an authenticator app that is on. */
export interface Person {
  readonly email: string;
  readonly phone: Phone;
}

/** Makes an account, signed in with this client. */
export async function registered(server: Server, client: Client): Promise<string> {
  const email = `alice+${Math.random().toString(36).slice(2)}@example.com`;
  const begun = await client.register({ email, password: PASSWORD });
  const end = await begun.challenge?.answer(await server.mailed(email));
  assert.ok(end?.done, JSON.stringify(end));
  return email;
}

/** Makes an account with an authenticator app, signed in with this client. */
export async function withApp(server: Server, client: Client): Promise<Person> {
  const email = await registered(server, client);
  const { challenge } = await client.setUp("authenticator", PASSWORD);
  assert.ok(challenge);
  const phone = new Phone(challenge.secret);
  const end = await challenge.answer(await phone.code());
  assert.deepEqual(end.done?.mfaMethods, ["authenticator"]);
  return { email, phone };
}

/** An authenticator app of an independent make. Each code works once, so it waits for one that it has not told. */
export class Phone {
  readonly #secret: string;
  #told = 0;

  constructor(secret: string) {
    this.#secret = secret;
  }

  /** The app's next code. */
  async code(): Promise<string> {
    const step = await until(() => {
      const now = Math.floor(Date.now() / 30_000);
      return now > this.#told && now;
    }, () => "time stands still", 40_000);
    this.#told = step;
    return generate({ secret: this.#secret, epoch: step * 30 });
  }

  /** A code of two days ago. */
  wrong(): Promise<string> {
    return generate({ secret: this.#secret, epoch: Math.floor(Date.now() / 1000) - 172_800 });
  }
}

/** Waits until there is something. */
export async function until<T>(
  look: () => T | Promise<T>,
  complaint: () => string,
  patience = PATIENCE,
): Promise<Exclude<T, undefined | null | false>> {
  for (const begun = Date.now(); Date.now() - begun < patience; await sleep(50)) {
    const found = await look();
    if (found) return found as Exclude<T, undefined | null | false>;
  }
  return assert.fail(complaint());
}

/** The code on a line of its own, in the newest letter to an address. */
function newest(outbox: string, email: string, read: Set<string>): string | undefined {
  if (!existsSync(outbox)) return undefined;
  const letters = readdirSync(outbox).filter((name) => name.endsWith(".eml"));
  for (const name of letters.sort().reverse()) {
    const letter = readFileSync(join(outbox, name), "utf8");
    const code = /^\d{6}\r?$/m.exec(letter)?.[0].trim();
    if (!code || read.has(name) || !letter.includes(`To: ${email}`)) continue;
    read.add(name);
    return code;
  }
  return undefined;
}

/** The same, from a sandbox. */
async function message(baseUrl: string, to: string, read: Set<string>): Promise<string | undefined> {
  const { data } = await sandbox({ baseUrl }).GET("/sandbox/messages", { params: { query: { to } } });
  const mails = [...(data?.messages ?? [])].sort((one, other) => other.number - one.number);
  const mail = mails.find(({ id, code }) => code && !read.has(id));
  if (mail) read.add(mail.id);
  return mail?.code;
}

async function stop(child: ChildProcess, folder: string): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  if (child.exitCode === null) {
    child.kill();
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
