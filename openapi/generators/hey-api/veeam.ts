// Signs in with a password and the code of an authenticator app.
import { requestToken } from "./client";
import { client } from "./client/client.gen";

const { URL: baseUrl = "", NAME = "", PASSWORD = "", CODE = "" } = process.env;
client.setConfig({ baseUrl });
let { data, error } = await requestToken({ body: { grant_type: "Password", username: NAME, password: PASSWORD } });
if (data?.mfa_token) {
  console.log("method:", data.mfa_method);
  const body = { grant_type: "Mfa", mfa_token: data.mfa_token, mfa_code: CODE };
  ({ data, error } = await requestToken({ body }));
}
if (data?.access_token) console.log("signed in");
if (error?.code === "INVALID_CREDENTIALS") console.log("error:", error.code);
else if (error) console.log("other:", error.code);
