// What is sent again and what is not. The server is real; what stands in for a busy proxy is the function that sends.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { type ClientOptions, Failure } from "countersign-sdk";

import { PASSWORD, type Server, registered, start } from "./server.js";

let server: Server;
before(async () => {
  server = await start();
});
after(() => server.stop());

/** A client whose first requests to a path come to nothing. */
function hindered(path: string, first: (() => Response | Promise<Response>)[], options: ClientOptions = {}) {
  const seen: number[] = [];
  const client = server.client({
    ...options,
    fetch: async (request) => {
      if (!request.url.endsWith(path)) return fetch(request);
      seen.push(Date.now());
      const hindrance = first[seen.length - 1];
      return hindrance ? hindrance() : fetch(request);
    },
  });
  return { client, seen };
}

const busy = (status: number, retryAfter?: string, body: object = { code: "SERVICE_UNAVAILABLE", message: "Busy." }) => () =>
  new Response(JSON.stringify(body), { status, headers: retryAfter ? { "Retry-After": retryAfter } : {} });
const lost = () => Promise.reject(new TypeError("the line is broken"));

describe("what is sent again", { concurrency: 3 }, () => {
  test("a read waits as long as Retry-After says", async () => {
    const { client, seen } = hindered("/healthz", [busy(503, "1")]);
    assert.equal((await client.api.GET("/healthz")).data?.status, "ok");
    assert.equal(seen.length, 2);
    const waited = (seen[1] ?? 0) - (seen[0] ?? 0);
    assert.ok(waited >= 1000 && waited < 1600, `${waited} ms`);
  });

  test("a Retry-After past the bound is handed on at once", async () => {
    const { client, seen } = hindered("/healthz", [busy(429, "3600", { code: "TOO_MANY_REQUESTS" })]);
    const { error, response } = await client.api.GET("/healthz");
    assert.ok(error);
    assert.equal(response.headers.get("Retry-After"), "3600");
    assert.equal(seen.length, 1);
  });

  test("a read is sent three times, and then there is a failure", async () => {
    const { client, seen } = hindered("/healthz", [lost, lost, lost]);
    await assert.rejects(client.api.GET("/healthz"), (error) => error instanceof Failure && error.cause instanceof TypeError);
    assert.equal(seen.length, 3);
    const once = hindered("/healthz", [lost], { retry: { tries: 1 } });
    await assert.rejects(once.client.api.GET("/healthz"));
    assert.equal(once.seen.length, 1);
  });

  test("an act is sent again on the server's own word, and on no other", async () => {
    const own = hindered("/login", [busy(503, "0")]);
    const step = await own.client.signIn("nobody@example.com", PASSWORD);
    assert.equal(step.error?.code, "INVALID_CREDENTIALS");
    assert.equal(own.seen.length, 2);
    for (const hindrance of [busy(503, "0", { code: "A_PROXY" }), busy(502), lost]) {
      const { client, seen } = hindered("/login", [hindrance]);
      await assert.rejects(client.signIn("nobody@example.com", PASSWORD), Failure);
      assert.equal(seen.length, 1);
    }
  });

  test("a call that carries a code is never sent again", async () => {
    const { client, seen } = hindered("/register/verify", [busy(503, "0")]);
    const email = "once@example.com";
    const { challenge } = await client.register({ email, password: PASSWORD });
    const code = await server.mailed(email);
    assert.ok(challenge);
    await assert.rejects(challenge.answer(code), { name: "Failure", code: "SERVICE_UNAVAILABLE", status: 503, retryAfter: 0 });
    assert.equal(seen.length, 1);
    assert.ok((await challenge.answer(code)).done, "the user decides, and the challenge still stands");
  });

  test("a page of a proxy's is a failure that shows the status", async () => {
    const { client } = hindered("/login", [() => new Response("<h1>Bad gateway</h1>", { status: 502 })]);
    await assert.rejects(client.signIn("nobody@example.com", PASSWORD), { status: 502, message: /not one of this server's/ });
  });

  test("an answer that cannot be read is a failure that quotes none of it", async () => {
    const { client } = hindered("/login", [() => new Response('{"accessToken":"eyJ', { status: 200 })]);
    await assert.rejects(client.signIn("nobody@example.com", PASSWORD), (error) => error instanceof Failure && !/eyJ/.test(String(error.stack)));
  });

  test("whoever gives up gets their own reason, and a server that hangs is given up", async () => {
    const { client } = hindered("/healthz", [busy(503, "5")]);
    await registered(server, client);
    const signal = AbortSignal.abort(new Error("gone"));
    await assert.rejects(client.api.GET("/identity/me", { signal }), { message: "gone" });
    const leaving = new AbortController();
    const begun = Date.now();
    setTimeout(() => leaving.abort(new Error("gone")), 100);
    await assert.rejects(client.api.GET("/healthz", { signal: leaving.signal }), { message: "gone" });
    assert.ok(Date.now() - begun < 3000, "the pause is not waited out");
    const slow = server.client({
      timeout: 50,
      retry: { tries: 1 },
      fetch: (request) => new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason))),
    });
    await assert.rejects(slow.api.GET("/healthz"), (error) => error instanceof Failure && Object(error.cause).name === "TimeoutError");
  });
});
