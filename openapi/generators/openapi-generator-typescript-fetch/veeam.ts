// Signs in with a password and the code of an authenticator app.
import { AuthenticationApi, Configuration, ResponseError } from "./client";
import type { ErrorResponse, InvalidCredentialsErrorResponse } from "./client";

const { URL = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
const api = new AuthenticationApi(new Configuration({ basePath: URL }));
try {
  let answer = await api.requestToken({ grantType: "Password", username: NAME, password: PASSWORD });
  if (answer.mfaToken) {
    console.log("method:", answer.mfaMethod);
    answer = await api.requestToken({ grantType: "Mfa", mfaToken: answer.mfaToken, mfaCode: CODE });
  }
  if (answer.accessToken) console.log("signed in");
} catch (refused) {
  if (!(refused instanceof ResponseError)) throw refused;
  const error: InvalidCredentialsErrorResponse | ErrorResponse = await refused.response.json();
  console.log(error.code === "INVALID_CREDENTIALS" ? "error:" : "other:", error.code);
}
