// Signs in with a password and the code of an authenticator app.
import { authenticate, completeAuthentication } from "./client";
import { client } from "./client/client.gen";

const { URL: baseUrl = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
client.setConfig({ baseUrl });
const { data, error } = await authenticate({ body: { login: NAME, password: PASSWORD } });
if (data?.status === "mfaRequired") {
  console.log("method:", data.mfaMethod);
  const session = await completeAuthentication({ body: { mfaToken: data.mfaToken, code: CODE } });
  if (session.data?.token) console.log("signed in");
}
if (error?.code === "INVALID_CREDENTIALS") console.log("error:", error.code);
else if (error) console.log("other:", error.code);
