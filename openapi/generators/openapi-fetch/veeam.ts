// Signs in with a password and the code of an authenticator app.
import createClient from "openapi-fetch";
import type { components, paths } from "./client/schema";

const { URL = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
const headers = { "Content-Type": "application/x-www-form-urlencoded" };
const api = createClient<paths>({ baseUrl: URL, headers });
const token = (body: components["schemas"]["TokenRequest"]) => api.POST("/api/oauth2/token", { body });
let { data, error } = await token({ grant_type: "Password", username: NAME, password: PASSWORD });
if (data?.mfa_token) {
  console.log("method:", data.mfa_method);
  ({ data, error } = await token({ grant_type: "Mfa", mfa_token: data.mfa_token, mfa_code: CODE }));
}
if (data?.access_token) console.log("signed in");
if (error?.code === "INVALID_CREDENTIALS") console.log("error:", error.code);
else if (error) console.log("other:", error.code);
