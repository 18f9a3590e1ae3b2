// Signs in with a password and the code of an authenticator app.
import { login, verifyMfaLogin } from "./client";
import { client } from "./client/client.gen";

const { URL: baseUrl = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
client.setConfig({ baseUrl });
const { data, error } = await login({ body: { email: NAME, password: PASSWORD } });
if (data?.status === "mfa_required") {
  console.log("method:", data.method);
  const session = await verifyMfaLogin({ body: { mfaToken: data.mfaToken, code: CODE } });
  if (session.data?.accessToken) console.log("signed in");
}
if (error?.code === "INVALID_CREDENTIALS") console.log("error:", error.code);
else if (error) console.log("other:", error.code);
