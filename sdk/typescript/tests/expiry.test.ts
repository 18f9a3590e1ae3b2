// What only time brings about, by the clock of a sandbox: an access token that has expired, and proof that is no longer fresh.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { type Client, type StepUpWanted, memoryStore } from "countersign-sdk";
import { sandbox } from "countersign-sdk/sandbox";

import { PASSWORD, type Server, registered, start } from "./server.js";

let server: Server;
before(async () => {
  server = await start({}, "sandbox");
});
after(() => server.stop());

test("an expired token is renewed once, and stale proof is asked for once, for parallel calls", async () => {
  const control = sandbox(server);
  const store = memoryStore();
  const wanted: StepUpWanted[] = [];
  let renewals = 0;
  let gives = true;
  let secret = "";
  const code = async () => {
    const { data } = await control.POST("/sandbox/authenticator-code", { body: { secret } });
    return data?.code ?? "";
  };
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
      const end = await challenge?.answer(await code());
      assert.equal(end?.done?.acr, "aal2", JSON.stringify(end));
    },
  });
  await registered(server, client);
  const setUp = await client.setUp("authenticator", PASSWORD);
  assert.ok(setUp.challenge);
  ({ secret } = setUp.challenge);
  assert.ok((await setUp.challenge.answer(await code())).done);

  // The client's own clock stands still meanwhile, so it believes that the token is still good.
  await control.POST("/sandbox/clock/advance", { body: { seconds: 1000 } });
  const reads = await Promise.all([1, 2, 3].map(() => client.api.GET("/identity/me")));
  assert.deepEqual(reads.map(({ response }) => response.status), [200, 200, 200]);
  assert.equal(renewals, 1);

  gives = false;
  const refused = await client.setUp("email", PASSWORD);
  assert.ok(refused.error?.code === "INSUFFICIENT_USER_AUTHENTICATION");
  assert.equal(refused.error.maxAge, 300);
  assert.deepEqual(wanted, [{ maxAge: 300, method: "POST", path: "/identity/mfa/setup" }]);

  gives = true;
  const before = await store.get();
  const acts = await Promise.all([1, 2, 3].map(() => client.api.POST("/identity/mfa/recovery-codes")));
  assert.deepEqual(acts.map(({ response }) => response.status), [201, 201, 201]);
  assert.equal(wanted.length, 2, "the user was asked once for all three");
  const after = await store.get();
  assert.ok(before && after && after.accessToken !== before.accessToken);
  assert.equal(after.refreshToken, before.refreshToken, "a step-up leaves the refresh token");
});

test("a challenge that has expired is over", async () => {
  const { challenge } = await server.client().signIn("authenticator@example.com", PASSWORD);
  assert.ok(challenge);
  await sandbox(server).POST("/sandbox/clock/advance", { body: { seconds: 1000 } });
  const end = await challenge.answer("123456");
  assert.equal(end.error?.code, "MFA_TOKEN_EXPIRED");
  assert.equal(end.challenge, undefined);
});
