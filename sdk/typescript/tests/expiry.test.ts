// What only time brings about: an access token that has expired, and proof that is no longer fresh.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { type Client, type StepUpWanted, memoryStore } from "countersign-sdk";

import { PASSWORD, type Phone, type Server, start, withApp } from "./server.js";

let server: Server;
before(async () => {
  server = await start({ ACCESS_TOKEN_SECONDS: "60", FRESH_FOR_FACTORS_SECONDS: "60", TOKEN_LEEWAY_SECONDS: "0" });
});
after(() => server.stop());

test("an expired token is renewed once, and stale proof is asked for once, for parallel calls", async () => {
  const store = memoryStore();
  const wanted: StepUpWanted[] = [];
  let renewals = 0;
  let phone: Phone | undefined;
  let gives = true;
  const client: Client = server.client({
    store,
    fetch: (request) => {
      if (request.url.endsWith("/token/refresh")) renewals += 1;
      return fetch(request);
    },
    stepUp: async (asked) => {
      wanted.push(asked);
      if (!gives) return;
      const { challenge } = await client.stepUp();
      const end = await challenge?.answer((await phone?.code()) ?? "");
      assert.equal(end?.done?.acr, "aal2", JSON.stringify(end));
    },
  });
  const person = await withApp(server, client);
  phone = person.phone;

  await sleep(62_000);
  const tokens = await store.get();
  assert.ok(tokens);
  // A clock that is wrong: the client believes that the token is still good.
  await store.set({ ...tokens, expiresAt: Infinity, renewAt: Infinity });
  const reads = await Promise.all([1, 2, 3].map(() => client.api.GET("/identity/me")));
  assert.deepEqual(reads.map(({ response }) => response.status), [200, 200, 200]);
  assert.equal(renewals, 1);

  gives = false;
  const refused = await client.setUp("email", PASSWORD);
  assert.ok(refused.error?.code === "INSUFFICIENT_USER_AUTHENTICATION");
  assert.equal(refused.error.maxAge, 60);
  assert.deepEqual(wanted, [{ maxAge: 60, method: "POST", path: "/identity/mfa/setup" }]);

  gives = true;
  const before = await store.get();
  const acts = await Promise.all([1, 2, 3].map(() => client.api.POST("/identity/mfa/recovery-codes")));
  assert.deepEqual(acts.map(({ response }) => response.status), [201, 201, 201]);
  assert.equal(wanted.length, 2, "the user was asked once for all three");
  const after = await store.get();
  assert.ok(before && after && after.accessToken !== before.accessToken);
  assert.equal(after.refreshToken, before.refreshToken, "a step-up leaves the refresh token");
});
