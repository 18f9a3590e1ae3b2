// Signs in with a password and the code of an authenticator app.
import { AuthenticationApi, Configuration, ResponseError } from "./client";
import type { ErrorResponse, InvalidCredentialsErrorResponse } from "./client";

const { URL = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
const api = new AuthenticationApi(new Configuration({ basePath: URL }));
try {
  const answer = await api.authenticate({ authRequest: { login: NAME, password: PASSWORD } });
  if (answer.status === "mfaRequired") {
    console.log("method:", answer.mfaMethod);
    const proof = { mfaToken: answer.mfaToken, code: CODE };
    const session = await api.completeAuthentication({ completeAuthRequest: proof });
    if (session.token) console.log("signed in");
  }
} catch (refused) {
  if (!(refused instanceof ResponseError)) throw refused;
  const error: InvalidCredentialsErrorResponse | ErrorResponse = await refused.response.json();
  console.log(error.code === "INVALID_CREDENTIALS" ? "error:" : "other:", error.code);
}
