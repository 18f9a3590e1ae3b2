// Runs the program `countersign sandbox` until it is stopped, or this process ends.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";

import { SandboxError } from "./error.js";

/** What to start, and how. */
export interface StartOptions {
  /** A path, or a name to be looked for in `PATH`. By default what `COUNTERSIGN_BIN` names, or else `countersign`. */
  readonly program?: string;
  /** What all secrets and codes follow from: the same seed draws the same ones. 1 by default. */
  readonly seed?: number;
  /** Settings of the server, by their keys in the settings file. Those in the environment of the test do not count. */
  readonly settings?: Record<string, string>;
}

/** A running program. */
export interface Program {
  /** Where it serves. */
  readonly url: string;
  /** Ends it. */
  stop(): Promise<void>;
}

/**
 * What the sandbox runs beside itself. It tells the address and then waits for the end of its input, which comes when this
 * process ends, in whatever way. Then the sandbox ends as well, and removes its folder.
 */
const BESIDE = 'echo "$COUNTERSIGN_URL" && exec cat > /dev/null';

/** How long the program may take until it serves, and to end by itself, in milliseconds. */
const START = 60_000;
const END = 20_000;

/** How many characters of what it says are kept for an error. */
const KEPT = 16_384;

/** Starts it, on a free port. */
export async function run({ program, seed, settings = {} }: StartOptions): Promise<Program> {
  const name = program ?? (process.env["COUNTERSIGN_BIN"] || "countersign");
  const args = ["sandbox", "--exec", BESIDE, ...(seed === undefined ? [] : ["--seed", String(seed)])];
  const child = spawn(name, args, { env: environment(settings), stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    said = (said + text.toString()).slice(0, KEPT);
  });
  // It may have ended before its input does.
  child.stdin.on("error", () => undefined);
  const url = await address(child, name).catch(async (error: unknown) => {
    await stop(child);
    throw error;
  });
  if (!url) {
    await stop(child);
    throw new SandboxError("NOT_STARTED", `\`${name} sandbox\` does not start: ${said.trim() || "it does not say why"}`);
  }
  // A test that forgets to stop it ends all the same.
  for (const handle of [child, child.stdin, child.stdout, child.stderr]) (handle as unknown as { unref(): void }).unref();
  return { url, stop: () => stop(child) };
}

/** The environment without settings of the server that happen to be in it: a test does the same on every machine. */
function environment(settings: Record<string, string>): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("COUNTERSIGN_"));
  // Many tests at once hash many passwords at once.
  const all = { shutdown_timeout_seconds: "1", hash_queue: "64", ...settings };
  const set = Object.entries(all).map(([key, value]) => [`COUNTERSIGN_${key.toUpperCase()}`, value] as const);
  return Object.fromEntries([...kept, ...set]);
}

/** Its first line; `undefined` if it ends without one, or takes too long. */
function address(child: ChildProcessWithoutNullStreams, name: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let heard = "";
    const late = setTimeout(() => resolve(undefined), START);
    child.stdout.on("data", (text: Buffer) => {
      heard += text.toString();
      const line = /^(http.*)\n/.exec(heard)?.[1];
      if (!line) return;
      clearTimeout(late);
      resolve(line.trim());
    });
    child.once("close", () => {
      clearTimeout(late);
      resolve(undefined);
    });
    child.once("error", (cause: NodeJS.ErrnoException) => {
      clearTimeout(late);
      reject(notRun(name, cause));
    });
  });
}

function notRun(name: string, cause: NodeJS.ErrnoException): SandboxError {
  if (cause.code !== "ENOENT") return new SandboxError("NOT_STARTED", `\`${name} sandbox\` does not start: ${cause.message}`, cause);
  return new SandboxError(
    "MISSING",
    `there is no program \`${name}\`. Install it from a checkout of Countersign with \`cargo install --path server\`, or build it ` +
      "there with `cargo build --release` and set COUNTERSIGN_BIN to the path of target/release/countersign",
    cause,
  );
}

async function stop(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.ref();
  child.stdin.end();
  const late = setTimeout(() => child.kill("SIGKILL"), END);
  await ended;
  clearTimeout(late);
}
