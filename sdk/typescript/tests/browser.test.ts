// In Chromium: passkeys by a virtual authenticator, and two tabs that renew one session.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { build } from "esbuild";
import { type Browser, type BrowserContext, type Page, chromium } from "playwright-core";

import type { Client, Tokens } from "countersign-sdk";

import { PASSWORD, type Server, start, until } from "./server.js";

/** What the page of these tests has. */
declare const sdk: typeof import("countersign-sdk");
declare let client: Client;
declare const mailed: (email: string) => Promise<string>;

const PAGE = `<!doctype html><title>Test</title><script type="module">
  import * as sdk from "/test/sdk.js";
  globalThis.sdk = sdk;
  globalThis.client = new sdk.Client({ store: sdk.localStore() });
</script>`;

let server: Server;
let browser: Browser;
let bundle: string;
before(async () => {
  // A refresh token that comes twice ends the session, however soon.
  server = await start({ REFRESH_REUSE_SECONDS: "0" });
  const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  // Chromium's own sandbox does not work for root.
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const { outputFiles } = await build({ entryPoints: ["dist/index.js"], bundle: true, format: "esm", write: false });
  bundle = outputFiles[0]?.text ?? "";
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A page of the server's origin, with the client. */
async function opened(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  await page.route(`${server.url}/test/page`, (route) => route.fulfill({ contentType: "text/html", body: PAGE }));
  await page.route(`${server.url}/test/sdk.js`, (route) => route.fulfill({ contentType: "text/javascript", body: bundle }));
  await page.exposeFunction("mailed", (email: string) => server.mailed(email));
  await page.goto(`${server.url}/test/page`);
  await page.waitForFunction("globalThis.client");
  return page;
}

/** Makes an account and signs in, in a page. */
async function register(page: Page, email: string): Promise<void> {
  await page.evaluate(
    async ([email, password]) => {
      const { challenge } = await client.register({ email, password });
      const end = await challenge?.answer(await mailed(email));
      if (!end?.done) throw new Error(JSON.stringify(end));
    },
    [email, PASSWORD] as const,
  );
}

test("a passkey is made, signs in as second factor and alone, and steps up", async () => {
  const context = await browser.newContext();
  const page = await opened(context);
  const devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  const email = "passkey@example.com";
  await register(page, email);

  const made = await page.evaluate(async (password) => {
    const { challenge } = await client.setUp("passkey", password, { name: "Laptop" });
    const cancelled = await challenge?.passkey({ signal: AbortSignal.abort() });
    const end = await cancelled?.challenge?.passkey();
    return { cancelled: cancelled?.error?.code, methods: end?.done?.mfaMethods, error: end?.error };
  }, PASSWORD);
  assert.deepEqual(made, { cancelled: "PASSKEY_CANCELLED", methods: ["passkey"], error: undefined });

  const known = await page.evaluate(async (password) => {
    const { challenge } = await client.setUp("passkey", password, { name: "Again" });
    return (await challenge?.passkey())?.error?.code;
  }, PASSWORD);
  assert.equal(known, "PASSKEY_KNOWN");

  const second = await page.evaluate(
    async ([email, password]) => {
      await client.signOut();
      let step = await client.signIn(email, password);
      const method = step.challenge?.method;
      step = (await step.challenge?.passkey({ signal: AbortSignal.abort() })) ?? step;
      const cancelled = step.error?.code;
      step = (await step.challenge?.passkey()) ?? step;
      return { method, cancelled, email: step.done?.user.email };
    },
    [email, PASSWORD] as const,
  );
  assert.deepEqual(second, { method: "passkey", cancelled: "PASSKEY_CANCELLED", email });

  const lifted = await page.evaluate(async () => {
    const before = await client.accessToken();
    const step = await client.stepUp();
    const end = await step.challenge?.passkey();
    return { acr: end?.done?.acr, isNew: before !== (await client.accessToken()) };
  });
  assert.deepEqual(lifted, { acr: "aal2", isNew: true });

  const alone = await page.evaluate(async () => {
    await client.signOut();
    const step = await client.signInWithPasskey();
    const { data } = await client.api.GET("/identity/me");
    return { email: step.done?.user.email, amr: data?.session.amr };
  });
  assert.equal(alone.email, email);
  assert.ok(alone.amr?.includes("mfa"), JSON.stringify(alone));

  const byHand = await page.evaluate(async () => {
    // What some password managers return looks like the browser's credentials, but cannot do this.
    PublicKeyCredential.prototype.toJSON = () => {
      throw new TypeError("Illegal invocation");
    };
    await client.signOut();
    return (await client.signInWithPasskey()).done?.user.email;
  });
  assert.equal(byHand, email);
  await context.close();
});

test("two tabs renew their session by one call", async () => {
  assert.deepEqual(await twoTabs("two-tabs@example.com", true), { renewals: 1, statuses: [200, 200, 200, 200], isAlive: true });
});

test("without the lock the two would end it, so the test above tests something", async () => {
  const { renewals, isAlive } = await twoTabs("no-lock@example.com", false);
  assert.equal(renewals, 2);
  assert.equal(isAlive, false);
});

test("a tab that gets the lock reads what the one before it wrote", async () => {
  const context = await browser.newContext();
  const tabs = [await opened(context), await opened(context)];
  await tabs[0]?.evaluate(async () => {
    await sdk.localStore("count").set({ accessToken: "", refreshToken: "", expiresAt: 0, renewAt: 0, signIn: "" });
  });
  const each = 200;
  const count = (tab: Page) =>
    tab.evaluate(async (each) => {
      const store = sdk.localStore("count");
      for (let number = 0; number < each; number += 1) {
        await store.lock?.(async () => {
          const tokens = await store.get();
          if (tokens) await store.set({ ...tokens, expiresAt: tokens.expiresAt + 1 });
        });
      }
    }, each);
  await Promise.all(tabs.map(count));
  const [one, two] = await Promise.all(
    tabs.map((tab) =>
      tab.evaluate(() => {
        const store = sdk.localStore("count");
        return store.lock?.(async () => (await store.get())?.expiresAt);
      }),
    ),
  );
  assert.deepEqual([one, two], [2 * each, 2 * each]);
  await context.close();
});

/** Two tabs of one session make two calls each, at once, when the access token is near its end. */
async function twoTabs(email: string, withLock: boolean) {
  const context = await browser.newContext();
  let renewals = 0;
  await context.route("**/identity/token/refresh", async (route) => {
    renewals += 1;
    // Long enough for the other tab to come, too; without the lock it does.
    if (withLock) await sleep(500);
    else await until(() => renewals === 2, () => "the other tab does not renew");
    await route.continue();
  });
  const [one, two] = [await opened(context), await opened(context)];
  await register(one, email);
  const call = (tab: Page) =>
    tab.evaluate(async (withLock) => {
      if (!withLock) {
        const { get, set } = sdk.localStore();
        client = new sdk.Client({ store: { get, set } });
      }
      const answers = await Promise.all([client.api.GET("/identity/me"), client.api.GET("/identity/me")]);
      return answers.map(({ response }) => response.status);
    }, withLock);
  await one.evaluate(() => {
    const tokens = JSON.parse(localStorage.getItem("countersign") ?? "") as Tokens;
    localStorage.setItem("countersign", JSON.stringify({ ...tokens, renewAt: 0 }));
  });
  const statuses = (await Promise.all([call(one), call(two)])).flat();
  const isAlive = await one.evaluate(async () => (await client.api.GET("/identity/me")).response.ok);
  const told = { renewals, statuses, isAlive };
  await context.close();
  return told;
}
