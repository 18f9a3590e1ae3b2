// Signs in with a password and the code of an authenticator app.
import { Configuration, MFALoginApi, ResponseError, SessionsApi } from "./client";
import type { ErrorResponse, InvalidCredentialsErrorResponse } from "./client";

const { URL = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
const api = new Configuration({ basePath: URL });
try {
  const answer = await new SessionsApi(api).login({ loginRequest: { email: NAME, password: PASSWORD } });
  if (answer.status === "mfa_required") {
    console.log("method:", answer.method);
    const proof = { mfaToken: answer.mfaToken, code: CODE };
    const session = await new MFALoginApi(api).verifyMfaLogin({ mfaVerifyRequest: proof });
    if (session.accessToken) console.log("signed in");
  }
} catch (refused) {
  if (!(refused instanceof ResponseError)) throw refused;
  const error: InvalidCredentialsErrorResponse | ErrorResponse = await refused.response.json();
  console.log(error.code === "INVALID_CREDENTIALS" ? "error:" : "other:", error.code);
}
