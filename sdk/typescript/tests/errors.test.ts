// Every error that the steps of a sign-in document, brought about in a sandbox; and the people of one.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { type Client, Failure, type SignInStep } from "countersign-sdk";
import { sandbox } from "countersign-sdk/sandbox";

import { PASSWORD, type Server, start } from "./server.js";

let server: Server;
before(async () => {
  server = await start({}, "sandbox");
});
after(() => server.stop());

/** The codes after which a sign-in is over; those with tries left or another way to go leave the challenge. */
const OVER = ["MFA_TOKEN_INVALID", "MFA_TOKEN_EXPIRED", "TOO_MANY_MFA_ATTEMPTS", "USER_NOT_FOUND"];

/** What the SDK takes for a fault, by its status; and a token at the wrong door, since it sends none there. */
const isFault = (status: number, code: string) =>
  status >= 500 || [408, 413, 415].includes(status) || code === "MFA_WRONG_PURPOSE";

/** The operations of a sign-in, and what calls each. */
const STEPS: Record<string, (client: Client) => Promise<SignInStep>> = {
  login: (client) => client.signIn("email@example.com", PASSWORD),
  verifyMfaLogin: async (client) => (await challenged(client)).answer("123456"),
  switchMfaMethod: async (client) => (await challenged(client)).switchTo("email"),
  resendMfaCode: async (client) => (await challenged(client)).resend(),
};

async function challenged(client: Client) {
  const { challenge } = await client.signIn("email@example.com", PASSWORD);
  assert.ok(challenge);
  return challenge;
}

test("every documented error of a sign-in is a refusal by its code, or a failure", async () => {
  const { data } = await sandbox(server).GET("/sandbox/operations");
  let seen = 0;
  for (const { api, operationId, errors } of data?.operations ?? []) {
    const step = STEPS[operationId];
    if (api !== "identity" || !step) continue;
    for (const { status, code } of errors) {
      seen += 1;
      await bringAbout(operationId, code);
      // Once, so that a busy server is seen as well.
      const client = server.client({ retry: { tries: 1 } });
      if (isFault(status, code)) {
        await assert.rejects(step(client), (thrown) => thrown instanceof Failure && thrown.code === code && thrown.status === status);
        continue;
      }
      const told = await step(client);
      assert.equal(told.error?.code, code, operationId);
      const goesOn = operationId !== "login" && !OVER.includes(code);
      assert.equal(told.challenge !== undefined, goesOn, `${operationId} ${code}`);
    }
  }
  assert.ok(seen > 40, `${seen} errors`);
});

/** Has the next call of an operation answered with an error, in a sandbox as it was in the beginning. */
async function bringAbout(operationId: string, errorCode: string): Promise<void> {
  const control = sandbox(server);
  await control.POST("/sandbox/reset");
  const { error } = await control.POST("/sandbox/errors", { body: { api: "identity", operationId, errorCode } });
  assert.equal(error, undefined, `${operationId} ${errorCode}`);
}

test("a server that is busy is asked again after its own Retry-After", async () => {
  await bringAbout("login", "SERVICE_UNAVAILABLE");
  const client = server.client();
  const begun = Date.now();
  const step = await client.signIn("email@example.com", PASSWORD);
  assert.ok(step.challenge);
  assert.ok(Date.now() - begun >= 2000, "Retry-After: 2");
});

test("a sign-in with a text message", async () => {
  const control = sandbox(server);
  await control.POST("/sandbox/reset");
  const { data } = await control.GET("/sandbox/people");
  const person = data?.people.find(({ mfaMethods }) => mfaMethods.includes("sms"));
  assert.ok(person, JSON.stringify(data));
  let step = await server.client().signIn(person.email, PASSWORD);
  if (step.challenge && step.challenge.method !== "sms") step = await step.challenge.switchTo("sms");
  assert.equal(step.challenge?.method, "sms");
  const messages = await control.GET("/sandbox/messages", { params: { query: { wait: 10 } } });
  const code = messages.data?.messages.find((message) => message.channel === "text_message")?.code;
  const end = await step.challenge?.answer(code ?? "");
  assert.equal(end?.done?.user.email, person.email, JSON.stringify([end, messages.data]));
});
