// Signs in with a password and the code of an authenticator app.
import { Configuration, MfaType, ResponseError, SessionsApi } from "./client";
import type { ErrorResponse, InvalidCredentialsErrorResponse } from "./client";

const { URL = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
const api = (accessToken = "") => new SessionsApi(new Configuration({ basePath: URL, accessToken }));
try {
  const answer = await api().login({ loginRequest: { email: NAME, password: PASSWORD } });
  if (answer.mfaRequired) {
    console.log("method:", answer.mfaMethods?.[0]);
    const proof = { mfaType: MfaType.GoogleAuth, code: CODE };
    const session = await api(answer.accessToken).verifyMfaLogin({ verifyMfaLoginRequest: proof });
    if (session.fullAccessToken) console.log("signed in");
  }
} catch (refused) {
  if (!(refused instanceof ResponseError)) throw refused;
  const error: InvalidCredentialsErrorResponse | ErrorResponse = await refused.response.json();
  console.log(error.code === "INVALID_CREDENTIALS" ? "error:" : "other:", error.code);
}
