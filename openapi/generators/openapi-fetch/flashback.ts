// Signs in with a password and the code of an authenticator app.
import createClient from "openapi-fetch";
import type { paths } from "./client/schema";

const { URL = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
const api = createClient<paths>({ baseUrl: URL });
const { data, error } = await api.POST("/user/login", { body: { email: NAME, password: PASSWORD } });
if (data?.mfaRequired) {
  console.log("method:", data.mfaMethods?.[0]);
  const headers = { Authorization: `Bearer ${data.accessToken}` };
  const session = await api.POST("/mfa/verify-login", { headers, body: { mfaType: "GOOGLE_AUTH", code: CODE } });
  if (session.data?.fullAccessToken) console.log("signed in");
}
if (error?.code === "INVALID_CREDENTIALS") console.log("error:", error.code);
else if (error) console.log("other:", error.code);
