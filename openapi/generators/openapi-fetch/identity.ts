// Signs in with a password and the code of an authenticator app.
import createClient from "openapi-fetch";
import type { paths } from "./client/schema";

const { URL = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
const api = createClient<paths>({ baseUrl: URL });
const { data, error } = await api.POST("/identity/login", { body: { email: NAME, password: PASSWORD } });
if (data?.status === "mfa_required") {
  console.log("method:", data.method);
  const body = { mfaToken: data.mfaToken, code: CODE };
  const session = await api.POST("/identity/mfa/login/verify", { body });
  if (session.data?.accessToken) console.log("signed in");
}
if (error?.code === "INVALID_CREDENTIALS") console.log("error:", error.code);
else if (error) console.log("other:", error.code);
