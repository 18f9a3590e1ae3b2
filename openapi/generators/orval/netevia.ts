// Signs in with a password and the code of an authenticator app.
import { authenticate, completeAuthentication } from "./client/client";

const { URL = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
const call = fetch;
globalThis.fetch = (path, options) => call(`${URL}${path}`, options);

const answer = await authenticate({ login: NAME, password: PASSWORD });
if (answer.status === 200 && answer.data.status === "mfaRequired") {
  console.log("method:", answer.data.mfaMethod);
  const session = await completeAuthentication({ mfaToken: answer.data.mfaToken, code: CODE });
  if (session.status === 200) console.log("signed in");
} else if (answer.status !== 200) {
  const error = answer.data;
  console.log(error.code === "INVALID_CREDENTIALS" ? "error:" : "other:", error.code);
}
