// The test kit: it starts a sandbox and ends it, makes people of every kind, and finds each way past the second factor.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { CASES, Report, Sandbox, SandboxError, type User, check, checkOne, holds, meaning } from "countersign-sdk/testkit";

import { BINARY } from "./server.js";
import { shop } from "./shop.js";

let sandbox: Sandbox;
before(async () => {
  sandbox = await Sandbox.start({ program: BINARY });
});
after(() => sandbox.stop());

/** Signs in by a code: the address of the account. */
async function signedIn(user: User, code: () => Promise<string>): Promise<string | undefined> {
  const { challenge } = await sandbox.client().signIn(user.email, user.password);
  const step = await challenge?.answer(await code());
  return step?.done?.user.email;
}

describe("the test kit", () => {
  test("starts a sandbox with its settings, and ends it", async () => {
    const own = await Sandbox.start({ program: BINARY, seed: 7, settings: { challenge_seconds: "300" } });
    const { data } = await own.tools.GET("/sandbox");
    assert.equal(data?.seed, 7);
    assert.ok(own.issuer.endsWith("/sandbox"));
    await own.stop();
    await assert.rejects(fetch(`${own.url}/healthz`));
  });

  test("a sandbox ends with its process, and leaves nothing", async () => {
    const folder = mkdtempSync(join(tmpdir(), "countersign-testkit-"));
    const script = join(folder, "script.mjs");
    const kit = import.meta.resolve("countersign-sdk/testkit");
    const start = `const sandbox = await Sandbox.start({ program: ${JSON.stringify(BINARY)} });`;
    const end = "console.log(sandbox.url); process.kill(process.pid, 'SIGKILL');";
    writeFileSync(script, `import { Sandbox } from ${JSON.stringify(kit)};\n${start}\n${end}\n`);
    const ran = spawnSync(process.execPath, [script], { env: { ...process.env, TMPDIR: folder }, encoding: "utf8" });
    assert.equal(ran.signal, "SIGKILL", ran.stderr);
    for (let tries = 0; readdirSync(folder).length > 1 && tries < 100; tries += 1) await new Promise((go) => setTimeout(go, 50));
    assert.deepEqual(readdirSync(folder), ["script.mjs"]);
    await assert.rejects(fetch(`${ran.stdout.trim()}/healthz`));
    rmSync(folder, { recursive: true });
  });

  test("a test that forgets to stop it ends all the same", () => {
    const kit = import.meta.resolve("countersign-sdk/testkit");
    const script = `import { Sandbox } from ${JSON.stringify(kit)}; await Sandbox.start({ program: ${JSON.stringify(BINARY)} });`;
    const ran = spawnSync(process.execPath, ["--input-type=module", "--eval", script], { timeout: 30_000, encoding: "utf8" });
    assert.equal(ran.status, 0, ran.stderr);
  });

  test("a missing program is told with how to install it, and a bad start with its reason", async () => {
    await assert.rejects(Sandbox.start({ program: "/nowhere/countersign" }), (error: SandboxError) => {
      assert.equal(error.code, "MISSING");
      assert.match(error.message, /\/nowhere\/countersign.*cargo install.*COUNTERSIGN_BIN/s);
      return true;
    });
    await assert.rejects(Sandbox.start({ program: BINARY, settings: { no_such_setting: "1" } }), (error: SandboxError) => {
      assert.equal(error.code, "NOT_STARTED");
      assert.match(error.message, /COUNTERSIGN_NO_SUCH_SETTING/);
      return true;
    });
    await assert.rejects(Sandbox.at("http://localhost:1"), (error: SandboxError) => error.code === "NO_SANDBOX");
  });

  test("people of every kind sign in", async () => {
    const nobody = await sandbox.user();
    assert.ok((await sandbox.client().signIn(nobody.email, nobody.password)).done);
    const app = await sandbox.userWithTotp();
    assert.equal(await signedIn(app, () => sandbox.totpCode(app.totpSecret)), app.email);
    const mailed = await sandbox.userWithEmail();
    assert.equal(await signedIn(mailed, () => sandbox.lastCodeTo(mailed.email)), mailed.email);
    const texted = await sandbox.userWithSms();
    assert.equal(await signedIn(texted, () => sandbox.lastCodeTo(texted.phoneNumber ?? "")), texted.email);
    const prudent = await sandbox.userWithRecoveryCodes();
    assert.equal(await signedIn(prudent, async () => prudent.recoveryCodes[9] ?? ""), prudent.email);

    const withKey = await sandbox.userWithPasskey();
    const { api } = sandbox.client();
    const { email, password } = withKey;
    const { data: begun } = await api.POST("/identity/login", { body: { email, password } });
    assert.ok(begun?.status === "mfa_required");
    const { mfaToken } = begun;
    const { data: options } = await api.POST("/identity/mfa/login/passkey-options", { body: { mfaToken } });
    const credential = await sandbox.usePasskey(email, options?.publicKey ?? {});
    const { data: done } = await api.POST("/identity/mfa/login/verify-passkey", { body: { mfaToken, credential } });
    assert.equal(done?.user.email, email);

    const { client } = await sandbox.administrator();
    assert.ok((await client.api.GET("/identity/users")).data);
    assert.match(await sandbox.apiKey("tokens:validate"), /^csk_/);
  });

  test("each message is read once", async () => {
    const alice = await sandbox.userWithEmail();
    const codes = [];
    for (let time = 0; time < 2; time += 1) {
      assert.ok((await sandbox.client().signIn(alice.email, alice.password)).challenge);
      codes.push(await sandbox.lastCodeTo(alice.email));
    }
    assert.notEqual(codes[0], codes[1]);
    await sandbox.client().forgotPassword(alice.email);
    assert.ok((await sandbox.waitForMessage(alice.email, "reset_code")).code);
    await assert.rejects(sandbox.waitForMessage(alice.email), (error: SandboxError) => error.code === "NO_MESSAGE");
  });

  test("the clock and errors do as told", async () => {
    const own = await Sandbox.start({ program: BINARY });
    try {
      const alice = await own.userWithTotp();
      const begin = () => own.client().signIn(alice.email, alice.password);
      const { challenge } = await begin();
      await own.advance(3600);
      const late = await challenge?.answer(await own.totpCode(alice.totpSecret));
      assert.equal(late?.error?.code, "MFA_TOKEN_EXPIRED");
      await assert.rejects(own.force("login", "ACCOUNT_GONE"), (error: SandboxError) => error.code === "REFUSED");
      await own.force("login", "INVALID_CREDENTIALS");
      assert.equal((await begin()).error?.code, "INVALID_CREDENTIALS");
      assert.ok((await begin()).challenge);
      await own.forceFor((await own.userWithTotp()).email, "login", "INVALID_CREDENTIALS");
      assert.ok((await begin()).challenge);
      await own.forceAllFor(alice.email, "INTERNAL");
      for (let time = 0; time < 2; time += 1) await assert.rejects(begin(), { code: "INTERNAL" });
      await own.reset();
      assert.equal((await begin()).error?.code, "INVALID_CREDENTIALS");
    } finally {
      await own.stop();
    }
  });
});

describe("the suite for back ends", () => {
  test("a good back end passes", async () => {
    const good = await shop(sandbox.url);
    const report = await check(sandbox, good);
    assert.ok(report.passed, String(report));
    assert.deepEqual(new Set(report.outcomes.map(({ result }) => result)), new Set(["passed"]));
    good.close();
  });

  test("each flaw is found by its case", async () => {
    for (const flaw of CASES) {
      const flawed = await shop(sandbox.url, flaw);
      const { result, detail } = await checkOne(sandbox, flawed, flaw);
      assert.equal(result, "failed", `${flaw}: ${detail}`);
      flawed.close();
    }
  });

  test("a report says what is wrong and what to do", () => {
    const report = new Report([
      { case: "rightSignIn", result: "passed", detail: "" },
      { case: "endedSession", result: "skipped", detail: "not asked" },
      { case: "wrongCode", result: "failed", detail: "It opened." },
      { case: "emptyCode", result: "untried", detail: "No answer." },
    ]);
    assert.equal(report.passed, false);
    assert.equal(
      String(report),
      `The second factor of this back end: 2 of 4 cases are not as they should be.
  ok       password and code open the resource
  skipped  a session that was ended opens nothing: not asked
  FAILED   a wrong code is refused
           It opened.
           The second factor is not checked. Let in only after a 200 of the server.
  UNTRIED  an empty code is refused
           No answer.
`,
    );
  });

  test("its cases are those of the Rust test kit, word for word", () => {
    const rust = readFileSync("../testkit/src/backend/case.rs", "utf8");
    for (const one of CASES) {
      for (const text of [holds(one), meaning(one)]) assert.ok(rust.includes(JSON.stringify(text)), text);
    }
    assert.ok(rust.includes(`pub const ALL: [Self; ${CASES.length}]`));
  });
});
