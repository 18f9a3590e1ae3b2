// Every conversation against a real server, with its wrong turns.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { type SignInStep, unexpected } from "countersign-sdk";

import { PASSWORD, type Server, registered, start, withApp } from "./server.js";

let server: Server;
before(async () => {
  server = await start();
});
after(() => server.stop());

describe("conversations", { concurrency: 3 }, () => {
  test("a wrong code at registration leaves the challenge and says what is left", async () => {
    const client = server.client();
    const email = "register@example.com";
    const { challenge } = await client.register({ email, password: PASSWORD, firstName: "Alice" });
    assert.ok(challenge);
    const code = await server.mailed(email);
    const wrong = await challenge.answer(code === "000000" ? "000001" : "000000");
    assert.ok(wrong.challenge && wrong.error?.code === "INVALID_REGISTRATION_CODE", JSON.stringify(wrong));
    assert.equal(wrong.error.attemptsRemaining, 4);
    const end = await wrong.challenge.answer(code);
    assert.equal(end.done?.user.firstName, "Alice");
    assert.equal(await client.isSignedIn(), true);
    const { data } = await client.api.GET("/identity/me");
    assert.equal(data?.email, email);
  });

  test("a password that is too short is told by its field, and the registration is over", async () => {
    const step = await server.client().register({ email: "short@example.com", password: "short" });
    assert.ok(!step.challenge && step.error?.code === "VALIDATION");
    assert.equal(step.error.errors[0]?.field, "password");
  });

  test("a wrong password and an unknown address are one and the same end", async () => {
    const client = server.client();
    const step = await client.signIn("nobody@example.com", PASSWORD);
    assert.equal(told(step), "INVALID_CREDENTIALS");
    assert.equal(await client.isSignedIn(), false);
  });

  test("a code of a newer server is no case of the switch, and becomes a failure", async () => {
    const body = { code: "SOME_LATER_CODE", message: "Something new.", statusCode: 400, requestId: "01a2" };
    const client = server.client({ fetch: async () => new Response(JSON.stringify(body), { status: 400 }) });
    const step = await client.signIn("alice@example.com", PASSWORD);
    assert.throws(() => told(step), {
      name: "Failure",
      message: "400 SOME_LATER_CODE: Something new. (request 01a2)",
      code: "SOME_LATER_CODE",
      status: 400,
    });
  });

  test("a sign-in with an authenticator app, after a wrong code and an empty one", async () => {
    const { email, phone } = await withApp(server, server.client());
    const client = server.client();
    let step = await client.signIn(email, PASSWORD);
    assert.ok(step.challenge);
    assert.equal(step.challenge.method, "authenticator");
    assert.equal(await client.isSignedIn(), false);

    step = await step.challenge.answer(await phone.wrong());
    assert.ok(step.challenge && step.error?.code === "INVALID_MFA_CODE");
    assert.equal(step.error.attemptsRemaining, 4);

    step = await step.challenge.answer("");
    assert.ok(step.challenge && step.error?.code === "VALIDATION");

    step = await step.challenge.resend();
    assert.ok(step.challenge && step.error?.code === "RESEND_ONLY_FOR_EMAIL");

    step = await step.challenge.answer(await phone.code());
    assert.equal(step.done?.user.email, email, JSON.stringify(step));
    const { data } = await client.api.GET("/identity/me");
    assert.equal(data?.session.acr, "aal2");
  });

  test("when no try is left, the challenge is gone", async () => {
    const { email, phone } = await withApp(server, server.client());
    let step = await server.client().signIn(email, PASSWORD);
    for (let left = 4; left >= 0; left -= 1) {
      assert.ok(step.challenge);
      step = await step.challenge.answer(await phone.wrong());
      assert.ok(step.error?.code === "INVALID_MFA_CODE");
      assert.equal(step.error.attemptsRemaining, left);
    }
    assert.equal(step.challenge, undefined);
  });

  test("codes by mail: set up, resend, switch, sign in, and turn off", async () => {
    const client = server.client();
    const { email, phone } = await withApp(server, client);
    const setUp = await client.setUp("email", PASSWORD);
    assert.ok(setUp.challenge);
    const early = await setUp.challenge.resend();
    assert.ok(early.challenge && early.error?.code === "RESEND_COOLDOWN");
    assert.ok(early.error.retryAfter > 0);
    const on = await early.challenge.answer(await server.mailed(email));
    assert.deepEqual(new Set(on.done?.mfaMethods), new Set(["authenticator", "email"]));

    const other = server.client();
    let step = await other.signIn(email, PASSWORD);
    assert.deepEqual(new Set(step.challenge?.mfaMethods), new Set(["authenticator", "email"]));
    step = await step.challenge!.switchTo("sms");
    assert.ok(step.challenge && step.error?.code === "MFA_METHOD_NOT_ENABLED", JSON.stringify(step));
    step = await step.challenge.switchTo("email");
    assert.equal(step.challenge?.method, "email");
    step = await step.challenge!.answer(await server.mailed(email));
    assert.equal(step.done?.user.email, email, JSON.stringify(step));

    const off = await client.turnOff("authenticator", PASSWORD);
    assert.ok(off.challenge);
    const wrong = await off.challenge.answer(await phone.wrong());
    assert.ok(wrong.challenge && wrong.error?.code === "INVALID_MFA_CODE");
    const end = await wrong.challenge.answer(await phone.code());
    assert.deepEqual(end.done?.mfaMethods, ["email"]);
  });

  test("a wrong password turns nothing off", async () => {
    const client = server.client();
    await withApp(server, client);
    const step = await client.turnOff("authenticator", "a wrong password");
    assert.equal(step.error?.code, "INVALID_PASSWORD");
    assert.equal(step.challenge, undefined);
  });

  test("recovery codes answer in place of the method, and say how many are left", async () => {
    const client = server.client();
    const { email } = await withApp(server, client);
    const { data } = await client.api.POST("/identity/mfa/recovery-codes");
    const [code] = data?.recoveryCodes ?? [];
    assert.ok(code);
    const step = await server.client().signIn(email, PASSWORD);
    const end = await step.challenge?.answer(code);
    assert.equal(end?.done?.recoveryCodesRemaining, 9);
  });

  test("a step-up by the app, and one by the password where no method is on", async () => {
    const client = server.client();
    await registered(server, client);
    const wrong = await client.stepUp({ password: "a wrong password" });
    assert.equal(wrong.error?.code, "INVALID_PASSWORD");
    const before = await client.accessToken();
    const lifted = await client.stepUp({ password: PASSWORD });
    assert.equal(lifted.done?.acr, "aal1");
    assert.notEqual(await client.accessToken(), before);

    const { challenge } = await client.setUp("authenticator", PASSWORD);
    assert.ok(challenge);
    assert.ok(challenge.qrCode.startsWith("data:image/png;base64,"));
    assert.ok(challenge.otpauthUrl.startsWith("otpauth://totp/"));
  });

  test("a forgotten password is changed by the mail's code, and never past the second factor", async () => {
    const { email, phone } = await withApp(server, server.client());
    const client = server.client();
    assert.ok((await client.forgotPassword(email)).done?.message);
    const code = await server.mailed(email);
    const other = "another horse, another battery";
    const unmailed = await client.newPassword({ email, code: code === "000000" ? "000001" : "000000" }, other);
    assert.ok(!unmailed.challenge && unmailed.error?.code === "INVALID_RESET_CODE");
    assert.equal(unmailed.error.attemptsRemaining, 4);

    let step = await client.newPassword({ email, code }, other);
    assert.equal(step.challenge?.method, "authenticator", JSON.stringify(step));
    step = await step.challenge!.answer(await phone.wrong());
    assert.ok(step.challenge && step.error?.code === "INVALID_MFA_CODE");
    assert.equal((await server.client().signIn(email, other)).error?.code, "INVALID_CREDENTIALS", "nothing is changed yet");
    step = await step.challenge.answer(await phone.code());
    assert.equal(step.done?.status, "password_changed");
    assert.equal(await client.isSignedIn(), false);
    assert.ok((await client.signIn(email, other)).challenge);
  });

  test("signing out ends the session on both sides", async () => {
    let ends = 0;
    const client = server.client({ signedOut: () => (ends += 1) });
    await registered(server, client);
    const bearer = await client.accessToken();
    assert.equal(await client.signOut(), true);
    assert.equal(await client.isSignedIn(), false);
    assert.equal(ends, 1);
    const answer = await fetch(`${server.url}/identity/me`, { headers: { Authorization: `Bearer ${bearer}` } });
    assert.equal(answer.status, 401);
    assert.equal(await client.signOut(), false, "nobody is signed in any more");
  });

  test("a session that was ended elsewhere is noticed at the next call", async () => {
    let ends = 0;
    const client = server.client({ signedOut: () => (ends += 1) });
    await registered(server, client);
    const headers = { Authorization: `Bearer ${await client.accessToken()}` };
    await fetch(`${server.url}/identity/logout`, { method: "POST", headers });
    assert.equal((await client.api.GET("/identity/me")).error?.code, "TOKEN_INVALID");
    assert.equal(await client.isSignedIn(), false);
    assert.equal(ends, 1);
  });
});

/** How a program tells a sign-in's end. It compiles only because every code has its case. */
function told(step: SignInStep): string {
  if (step.done) return "done";
  if (step.challenge) return step.error?.code ?? "challenge";
  switch (step.error.code) {
    case "VALIDATION":
    case "INVALID_CREDENTIALS":
    case "TOO_MANY_PASSWORD_ATTEMPTS":
    case "INVALID_MFA_CODE":
    case "PASSKEY_REFUSED":
    case "MFA_TOKEN_INVALID":
    case "MFA_TOKEN_EXPIRED":
    case "TOO_MANY_MFA_ATTEMPTS":
    case "USER_NOT_FOUND":
      return step.error.code;
    default:
      throw unexpected(step.error);
  }
}
