// Signs in with a password and the code of an authenticator app.
import { requestToken } from "./client/client";

const { URL = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
const call = fetch;
globalThis.fetch = (path, options) => call(`${URL}${path}`, options);

let answer = await requestToken({ grant_type: "Password", username: NAME, password: PASSWORD });
if (answer.status === 200 && answer.data.mfa_token) {
  console.log("method:", answer.data.mfa_method);
  answer = await requestToken({ grant_type: "Mfa", mfa_token: answer.data.mfa_token, mfa_code: CODE });
}
if (answer.status === 200) {
  if (answer.data.access_token) console.log("signed in");
} else {
  const error = answer.data;
  console.log(error.code === "INVALID_CREDENTIALS" ? "error:" : "other:", error.code);
}
