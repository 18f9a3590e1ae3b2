// The pages: all of their programs compile, those of the sandbox run as they stand, and the SDK's first one signs in.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";

import ts from "typescript";

import { PASSWORD, Phone, start } from "./server.js";

/** The TypeScript programs of a page. */
const programs = (page: string) => [...readFileSync(page, "utf8").matchAll(/```ts\n(.*?)```/gs)].map(([, program]) => program ?? "");

const SDK = programs("README.md");
/** Of the project's own README and guide: they speak to a sandbox. */
const SANDBOX = [...programs("../../README.md"), ...programs("../../GUIDE.md")];
const FOLDER = "build/readme";

test("the pages' programs compile", () => {
  assert.ok(SDK.length > 3);
  mkdirSync(FOLDER, { recursive: true });
  const files = [...SDK, ...SANDBOX].map((program, number) => {
    const file = `${FOLDER}/${number}.ts`;
    writeFileSync(file, program);
    return file;
  });
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmitOnError: true,
  };
  const program = ts.createProgram(files, options);
  const complaints = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
  const host = { getCanonicalFileName: (name: string) => name, getCurrentDirectory: () => "", getNewLine: () => "\n" };
  assert.equal(ts.formatDiagnostics(complaints, host), "");
});

test("the README's first program is short, and signs in after a wrong code", async () => {
  const lines = SDK[0]?.trimEnd().split("\n") ?? [];
  assert.ok(lines.length < 25, `${lines.length} lines`);
  const server = await start();
  try {
    const client = server.client();
    const email = "alice@example.com";
    const begun = await client.register({ email, password: PASSWORD });
    await begun.challenge?.answer(await server.mailed(email));
    const { challenge } = await client.setUp("authenticator", PASSWORD);
    assert.ok(challenge);
    const phone = new Phone(challenge.secret);
    await challenge.answer(await phone.code());

    const said = await answered(at(0, server.url), [await phone.wrong(), await phone.code()]);
    assert.match(said, /The code is not correct/);
    assert.match(said, /Hello, alice@example\.com\./);
  } finally {
    await server.stop();
  }
});

test("the programs of the project's README and guide run in one sandbox, twice", async () => {
  assert.equal(SANDBOX.length, 3);
  const example = readFileSync("examples/sandbox.mjs", "utf8");
  assert.ok(example.endsWith(SANDBOX[0] ?? "nothing"), "examples/sandbox.mjs is the README's program");
  const server = await start({}, "sandbox");
  try {
    for (let time = 0; time < 2; time += 1) {
      const [first, ...others] = SANDBOX.map((_, number) => at(SDK.length + number, server.url));
      assert.equal(await answered(first ?? "", []), "Hello, authenticator@example.com.\n");
      for (const program of others) await answered(program, []);
    }
  } finally {
    await server.stop();
  }
});

/** A compiled program, with the address of a server instead of the page's. */
function at(number: number, url: string): string {
  const program = `${FOLDER}/${number}.js`;
  const text = readFileSync(program, "utf8");
  const own = program.replace(".js", ".run.js");
  assert.ok(text.includes("http://localhost:8080"));
  writeFileSync(own, text.replace("http://localhost:8080", url));
  return own;
}

/** Runs a program that asks for codes: all that it said. */
function answered(program: string, codes: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "pipe"] });
    let said = "";
    const hear = (text: Buffer) => {
      said += text.toString();
      // It has asked, and waits on the same line.
      if (said.endsWith(" ") && codes.length > 0) child.stdin.write(`${codes.shift()}\n`);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("error", reject);
    child.once("exit", (status) => (status === 0 ? resolve(said) : reject(new Error(said))));
  });
}
