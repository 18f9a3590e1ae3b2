// Attempts to get in without the second factor: while the server is well, while it refuses, and while it is out of order.

import type { Case } from "./cases.js";
import type { User } from "./sandbox.js";
import { Ended, type Visitor, untried } from "./visitor.js";

/** The person whose method is locked in every sandbox. */
const LOCKED = "locked@example.com";

/** Longer than any challenge lives, in seconds: `challenge_seconds` is 900 at most. */
const LUNCH = 3600;

/** The header of a token without a signature: `{"alg":"none","typ":"at+jwt"}` (RFC 7519 §6.1). */
const UNSIGNED = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";

/** The operation that takes the code, and that of the password. */
const CODE = "verifyMfaLogin";
const PASSWORD = "login";

/** A fault of the server (500), and one that is over soon (503). */
const FAULTS = ["INTERNAL", "SERVICE_UNAVAILABLE"];

/** More calls than any client makes for one step. */
const ALL = 100;

/** What each case does. It returns if the door stayed closed. */
export const ATTACKS: Record<Case, (visitor: Visitor) => Promise<unknown>> = {
  rightSignIn: async (visitor) => visitor.signedIn(await visitor.sandbox.userWithTotp()),
  madeUpSession,
  forgedToken,
  passwordAlone,
  challengeAsSession,
  wrongCode,
  emptyCode: async (visitor) => {
    const pending = await visitor.begin(await visitor.sandbox.userWithTotp());
    await visitor.mustRefuse(pending, "", "an empty code");
  },
  usedCode: async (visitor) => {
    const user = await visitor.sandbox.userWithTotp();
    const [pending, code] = [await visitor.begin(user), await visitor.appCode(user)];
    await visitor.finish(user, pending, code);
    await visitor.mustRefuse(await visitor.begin(user), code, "a code that was used");
  },
  usedRecoveryCode: async (visitor) => {
    const user = await visitor.sandbox.userWithRecoveryCodes();
    const code = user.recoveryCodes[0] ?? untried("There are no recovery codes.");
    await visitor.finish(user, await visitor.begin(user), code);
    await visitor.mustRefuse(await visitor.begin(user), code, "a recovery code that was used");
  },
  codeOfAnother: async (visitor) => {
    const [other, user] = [await visitor.sandbox.userWithTotp(), await visitor.sandbox.userWithTotp()];
    // The other one is signing in as well, so that a place waits for this very code.
    await visitor.begin(other);
    const pending = await visitor.begin(user);
    await visitor.mustRefuse(pending, await visitor.appCode(other), "the code of another person");
  },
  crossedSignIns: async (visitor) => {
    const [user, other] = [await visitor.sandbox.userWithEmail(), await visitor.sandbox.userWithEmail()];
    const [pending, ofOther] = [await visitor.begin(user), await visitor.begin(other)];
    const code = await visitor.sandbox.lastCodeTo(other.email);
    await visitor.mustRefuse(pending, code, "the code that was mailed to another person, who began to sign in later");
    await visitor.finish(other, ofOther, code);
  },
  lockedMethod,
  refusedCode,
  outageAtPassword,
  outageAtCode: async (visitor) => {
    for (const fault of FAULTS) {
      const user = await visitor.sandbox.userWithTotp();
      const pending = await visitor.begin(user);
      await visitor.sandbox.forceFor(user.email, CODE, fault, ALL);
      await visitor.mustRefuse(pending, "000000", `a code to which the server answers ${fault}`);
    }
  },
  outageAtRequest,
  endedSession: async (visitor) => {
    const session = await visitor.signedIn(await visitor.sandbox.userWithTotp());
    await visitor.signOut(session);
    await visitor.mustStayClosed(session, "a session after its sign-out");
  },
  deletedAccount,
  expiredChallenge,
};

async function madeUpSession(visitor: Visitor): Promise<void> {
  for (const madeUp of ["", "0", "1", "session", "00000000-0000-4000-8000-000000000000"]) {
    await visitor.mustStayClosed(madeUp, `a made-up session, \`${madeUp}\``);
  }
  const { email, id } = await visitor.sandbox.userWithTotp();
  const how = "what everybody knows of a user, in place of a session";
  for (const known of [email, id]) await visitor.mustStayClosed(known, how);
}

async function forgedToken(visitor: Visitor): Promise<void> {
  const { client } = await visitor.sandbox.userWithTotp();
  const [header, claims, signature] = (await client.accessToken())?.split(".") ?? [];
  if (!header || !claims || !signature) return untried("The server's access token is no JWT.");
  // Another first letter is another number, whatever the algorithm.
  const other = (signature.startsWith("A") ? "B" : "A") + signature.slice(1);
  for (const [forged, how] of [
    [`${UNSIGNED}.${claims}.`, "without a signature"],
    [`${header}.${claims}.`, "whose signature was cut off"],
    [`${header}.${claims}.${other}`, "whose signature is wrong"],
  ] as const) {
    await visitor.mustStayClosed(forged, `an access token ${how}`);
  }
}

async function passwordAlone(visitor: Visitor): Promise<void> {
  const user = await visitor.sandbox.userWithTotp();
  const answer = await visitor.backend.signIn(user.email, user.password);
  if (answer.session === undefined) await visitor.begin(user);
  else await visitor.mustNotLetIn(Promise.resolve(answer), "the session that the password alone brought");
}

async function challengeAsSession(visitor: Visitor): Promise<void> {
  const user = await visitor.sandbox.userWithTotp();
  await visitor.mustStayClosed(await visitor.begin(user), "what the first step returned, as a session");
  await visitor.mustStayClosed(await visitor.mfaToken(user), "the server's mfaToken, as a session");
}

async function wrongCode(visitor: Visitor): Promise<void> {
  const user = await visitor.sandbox.userWithTotp();
  const pending = await visitor.begin(user);
  const right = await visitor.appCode(user);
  const wrong = (right.startsWith("0") ? "1" : "0") + right.slice(1);
  await visitor.mustRefuse(pending, wrong, "a wrong code");
}

async function lockedMethod(visitor: Visitor): Promise<void> {
  const { data } = await visitor.sandbox.tools.GET("/sandbox/people");
  const locked = data?.people.find(({ email }) => email === LOCKED);
  if (!locked?.authenticatorSecret) return untried("There is nobody whose method is locked.");
  const how = "the right code of a method that is locked";
  const answer = await visitor.backend.signIn(LOCKED, locked.password);
  if (answer.pending === undefined) return visitor.mustNotLetIn(Promise.resolve(answer), how);
  await visitor.mustRefuse(answer.pending, await visitor.sandbox.totpCode(locked.authenticatorSecret), how);
}

/** Every documented refusal of a code, for a code that is right. */
async function refusedCode(visitor: Visitor): Promise<void> {
  const user = await visitor.sandbox.userWithTotp();
  const { data } = await visitor.sandbox.tools.GET("/sandbox/operations");
  const operation = data?.operations.find(({ operationId }) => operationId === CODE);
  for (const { code: error } of operation?.errors ?? untried("An operation is gone.")) {
    if (FAULTS.includes(error)) continue;
    const pending = await visitor.begin(user);
    const code = await visitor.appCode(user);
    await visitor.sandbox.forceFor(user.email, CODE, error);
    await visitor.mustRefuse(pending, code, `a code to which the server answers ${error}`);
  }
}

async function outageAtPassword(visitor: Visitor): Promise<void> {
  for (const fault of FAULTS) {
    const user = await visitor.sandbox.userWithTotp();
    // Somebody whom the back end knows already: it may remember the password.
    await visitor.signedIn(user);
    await visitor.sandbox.forceFor(user.email, PASSWORD, fault, ALL);
    const how = `a password while the server answers ${fault}`;
    await visitor.mustNotLetIn(visitor.backend.signIn(user.email, user.password), how);
  }
}

async function outageAtRequest(visitor: Visitor): Promise<void> {
  const user = await visitor.sandbox.userWithTotp();
  const [pending, token] = [await visitor.begin(user), await visitor.mfaToken(user)];
  const other = await visitor.sandbox.userWithTotp();
  const session = await visitor.signedIn(other);
  await visitor.signOut(session);
  await visitor.sandbox.forceAllFor(user.email, "SERVICE_UNAVAILABLE");
  await visitor.sandbox.forceAllFor(other.email, "INTERNAL");
  for (const [sent, what] of [
    [token, "the server's mfaToken, as a session"],
    [pending, "what the first step returned, as a session"],
    [session, "a session after its sign-out"],
  ] as const) {
    await visitor.mustStayClosed(sent, `${what}, during an outage`);
  }
}

async function deletedAccount(visitor: Visitor): Promise<void> {
  const user = await visitor.sandbox.userWithTotp();
  const session = await visitor.signedIn(user);
  await erase(user);
  const again = visitor.backend.signIn(user.email, user.password);
  await visitor.mustNotLetIn(again, "address and password of an account that was deleted");
  if (visitor.backend.asksAtEachRequest === false) {
    throw new Ended("skipped", "this back end does not ask the server at each request");
  }
  await visitor.mustStayClosed(session, "a session of an account that was deleted");
}

async function erase({ client, password }: User): Promise<void> {
  const { error } = await client.api.DELETE("/identity/me", { body: { password } });
  if (error) untried(error.message);
}

async function expiredChallenge(visitor: Visitor): Promise<void> {
  const user = await visitor.sandbox.userWithTotp();
  const pending = await visitor.begin(user);
  await visitor.sandbox.advance(LUNCH);
  await visitor.mustRefuse(pending, await visitor.appCode(user), "the right code, an hour after the password");
  // A back end that refuses everything after an hour would pass as well.
  await visitor.signedIn(user).catch((error: unknown) => {
    throw new Ended("failed", `A new sign-in after an hour fails: ${error instanceof Error ? error.message : String(error)}`);
  });
}
