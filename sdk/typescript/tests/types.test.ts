// What the compiler refuses. The lines are never run; a directive that no error follows fails the build.

import { test } from "node:test";

import { type Client, type SetUpMethod, unexpected } from "countersign-sdk";

test("the compiler checks a conversation", () => {
  void conversation;
});

async function conversation(client: Client, method: SetUpMethod) {
  const step = await client.signIn("alice@example.com", "correct horse battery staple");
  // @ts-expect-error It is not known yet that there is a challenge.
  void step.challenge.answer("123456");
  // @ts-expect-error Nor that anybody is signed in.
  void step.done.user;
  if (step.challenge) {
    // @ts-expect-error With a challenge, nobody is signed in.
    void step.done.user;
    // @ts-expect-error There is no such method.
    void step.challenge.switchTo("pigeon");
    if (step.error?.code === "INVALID_MFA_CODE") void (step.error.attemptsRemaining satisfies number);
    // @ts-expect-error A challenge does not stand with an error that ends it.
    void (step.error?.code === "MFA_TOKEN_EXPIRED");
  } else if (step.error) {
    switch (step.error.code) {
      case "INVALID_CREDENTIALS":
        break;
      default:
        // @ts-expect-error Not every code has its case.
        unexpected(step.error);
    }
  }

  const app = await client.setUp("authenticator", "correct horse battery staple");
  if (app.challenge) {
    void (app.challenge.qrCode satisfies string);
    // @ts-expect-error An app's code is not sent, so there is nothing to send again.
    void app.challenge.resend();
  }
  // @ts-expect-error A text message takes a number.
  void client.setUp("sms", "correct horse battery staple");
  void client.setUp("sms", "correct horse battery staple", { phoneNumber: "+12015550123" });
  const passkey = await client.setUp("passkey", "correct horse battery staple", { name: "Laptop" });
  // @ts-expect-error A passkey has no code.
  void passkey.challenge?.answer("123456");
  // @ts-expect-error A passkey is removed, and not turned off by a code.
  void client.turnOff("passkey", "correct horse battery staple");

  const any = await client.setUp(method, "correct horse battery staple", { name: "Any", phoneNumber: "+12015550123" });
  if (any.challenge?.method === "authenticator") void any.challenge.secret;

  const { data, error } = await client.api.GET("/identity/mfa/methods");
  if (error?.code === "TOKEN_EXPIRED") void error.requestId;
  void data?.recoveryCodes.remaining;
}
