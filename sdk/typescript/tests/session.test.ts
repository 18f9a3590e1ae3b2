// The session: renewed once for all who wait, kept through a lost answer, and never shown.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";

import { Client, type Tokens, type TokenStore, memoryStore } from "countersign-sdk";
import { flashback } from "countersign-sdk/flashback";
import { netevia } from "countersign-sdk/netevia";
import { veeam } from "countersign-sdk/veeam";

import { PASSWORD, type Server, registered, start, withApp } from "./server.js";

let server: Server;
before(async () => {
  // A refresh token that comes again later than this ends the session.
  server = await start({ REFRESH_REUSE_SECONDS: "2" });
});
after(() => server.stop());

/** Makes a store say that its access token is near its end. */
async function hurry(store: TokenStore): Promise<Tokens> {
  const tokens = await store.get();
  assert.ok(tokens);
  await store.set({ ...tokens, renewAt: 0 });
  return tokens;
}

/** Sends requests, and counts the renewals among them. */
function counting() {
  const counted = {
    renewals: 0,
    fetch: (request: Request) => {
      if (request.url.endsWith("/token/refresh")) counted.renewals += 1;
      return fetch(request);
    },
  };
  return counted;
}

describe("the session", { concurrency: 3 }, () => {
  test("parallel calls cause one renewal", async () => {
    const store = memoryStore();
    const counted = counting();
    const client = server.client({ store, fetch: counted.fetch });
    await registered(server, client);
    const old = await hurry(store);
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.api.GET("/identity/me")));
    assert.deepEqual(answers.map(({ response }) => response.status), Array.from({ length: 8 }, () => 200));
    assert.equal(counted.renewals, 1);
    const now = await store.get();
    assert.ok(now && now.refreshToken !== old.refreshToken && now.signIn === old.signIn);
  });

  test("two clients with one store and its lock are one session, and cause one renewal", async () => {
    let last: Promise<unknown> = Promise.resolve();
    const store: TokenStore = {
      ...memoryStore(),
      lock: (work) => {
        const turn = last.then(work);
        last = turn.catch(() => undefined);
        return turn;
      },
    };
    const counted = counting();
    const [one, two] = [server.client({ store, fetch: counted.fetch }), server.client({ store, fetch: counted.fetch })];
    await registered(server, one);
    await hurry(store);
    await Promise.all([one, two, one, two].map((client) => client.accessToken()));
    assert.equal(counted.renewals, 1);
    assert.equal((await two.api.GET("/identity/me")).response.status, 200);
  });

  test("an answer that is lost on the way does not end the session", async () => {
    const store = memoryStore();
    let lost = 0;
    const losing = async (request: Request) => {
      const answer = await fetch(request);
      if (request.url.endsWith("/token/refresh") && lost++ === 0) throw new TypeError("the line is broken");
      return answer;
    };
    const client = server.client({ store, fetch: losing });
    await registered(server, client);
    await hurry(store);
    assert.equal((await client.api.GET("/identity/me")).response.status, 200);
    assert.equal(lost, 2, "the same token was sent again at once");
    await sleep(2500);
    await hurry(store);
    assert.equal((await client.api.GET("/identity/me")).response.status, 200, "the session lives on");
  });

  test("a stolen refresh token ends the session, and the client says so", async () => {
    const store = memoryStore();
    let ends = 0;
    const client = server.client({ store, signedOut: () => (ends += 1) });
    await registered(server, client);
    const stolen = await hurry(store);
    await client.accessToken();
    await sleep(2500);
    const thief = memoryStore();
    thief.set({ ...stolen, renewAt: 0 });
    assert.equal(await server.client({ store: thief }).accessToken(), undefined);
    await hurry(store);
    assert.equal(await client.accessToken(), undefined);
    assert.equal(await client.isSignedIn(), false);
    assert.equal(ends, 1);
    assert.equal((await client.api.GET("/identity/me")).error?.code, "TOKEN_INVALID");
  });

  test("who cannot reach the server keeps the session", async () => {
    const store = memoryStore();
    const client = server.client({ store });
    await registered(server, client);
    await hurry(store);
    const offline = server.client({ store, retry: { tries: 1 }, fetch: () => Promise.reject(new TypeError("no network")) });
    await assert.rejects(offline.api.GET("/identity/me"), { name: "Failure", message: /^No answer came from http:\/\/[a-z0-9.]+:\d+\.$/ });
    assert.equal((await client.api.GET("/identity/me")).response.status, 200);
  });

  test("what one user was refused is not done in the name of the next", async () => {
    const store = memoryStore();
    const other = server.client({ store });
    let sent = 0;
    const client = server.client({
      store,
      fetch: async (request) => {
        if (!request.url.endsWith("/me")) return fetch(request);
        sent += 1;
        // While the call is on its way, somebody else signs in on the same page.
        await registered(server, other);
        return new Response(JSON.stringify({ code: "TOKEN_EXPIRED", message: "Expired." }), { status: 401 });
      },
    });
    await registered(server, client);
    assert.equal((await client.api.GET("/identity/me")).error?.code, "TOKEN_EXPIRED");
    assert.equal(sent, 1);
  });

  test("a session of one document opens the others", async () => {
    const client = server.client();
    const email = await registered(server, client);
    const { data } = await flashback(client).GET("/user/profile");
    assert.ok(JSON.stringify(data).includes(email), JSON.stringify(data));
  });

  test("nothing that is printed has a token in it", async () => {
    const store = memoryStore();
    const client = server.client({ store });
    const { email } = await withApp(server, client);
    const { challenge } = await server.client().signIn(email, PASSWORD);
    const shown = [client, client.api, challenge, store, await client.stepUp()].map((one) =>
      inspect(one, { depth: Infinity, showHidden: true }),
    );
    const tokens = await store.get();
    assert.ok(tokens);
    for (const text of [...shown, JSON.stringify([client, challenge])]) {
      assert.ok(!text.includes(tokens.accessToken) && !text.includes(tokens.refreshToken), text);
      assert.ok(!/mfaToken|eyJ|mfa_/.test(text), text);
    }
  });

  test("plain http to another machine is refused, and so is another machine's address", async () => {
    assert.throws(() => new Client({ baseUrl: "http://id.example.com" }), /Plain http/);
    assert.throws(() => new Client({ baseUrl: "http://localhost.example.com" }), /Plain http/);
    for (const baseUrl of ["https://id.example.com/", "http://[::1]:8080", "http://127.0.0.1:8080"]) new Client({ baseUrl });
    const client = server.client();
    await assert.rejects(client.fetch(new Request("http://localhost:1/identity/me")), /no such address/);
  });
});

test("the clients of the other documents have their types and errors", async () => {
  const own = await netevia(server).POST("/api/auth/v2", { body: { login: "nobody@example.com", password: PASSWORD } });
  assert.equal(own.error?.code, "INVALID_CREDENTIALS");
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  const body = { grant_type: "Password", username: "somebody@example.com", password: PASSWORD } as const;
  const token = await veeam({ baseUrl: server.url }).POST("/api/oauth2/token", { headers, body });
  assert.equal(token.error?.code, "INVALID_CREDENTIALS");
});
