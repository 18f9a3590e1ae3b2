// The README: all of its programs compile, and the first one signs in.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";

import ts from "typescript";

import { PASSWORD, Phone, start } from "./server.js";

const BLOCKS = [...readFileSync("README.md", "utf8").matchAll(/```ts\n(.*?)```/gs)].map(([, program]) => program ?? "");
const FOLDER = "build/readme";

test("the README's programs compile", () => {
  assert.ok(BLOCKS.length > 3);
  mkdirSync(FOLDER, { recursive: true });
  const files = BLOCKS.map((program, number) => {
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
  const lines = BLOCKS[0]?.trimEnd().split("\n") ?? [];
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

    const program = `${FOLDER}/0.js`;
    writeFileSync(program, readFileSync(program, "utf8").replace("http://localhost:8080", server.url));
    const said = await answered(program, [await phone.wrong(), await phone.code()]);
    assert.match(said, /The code is not correct/);
    assert.match(said, /Hello, alice@example\.com\./);
  } finally {
    await server.stop();
  }
});

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
