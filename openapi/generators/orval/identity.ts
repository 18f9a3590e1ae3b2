// Signs in with a password and the code of an authenticator app.
import { login, verifyMfaLogin } from "./client/client";

const { URL = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
const call = fetch;
globalThis.fetch = (path, options) => call(`${URL}${path}`, options);

const answer = await login({ email: NAME, password: PASSWORD });
if (answer.status === 200 && answer.data.status === "mfa_required") {
  console.log("method:", answer.data.method);
  const session = await verifyMfaLogin({ mfaToken: answer.data.mfaToken, code: CODE });
  if (session.status === 200) console.log("signed in");
} else if (answer.status !== 200) {
  const error = answer.data;
  console.log(error.code === "INVALID_CREDENTIALS" ? "error:" : "other:", error.code);
}
