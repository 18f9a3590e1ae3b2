// The README's first sign-in in the sandbox, word for word; a test compares the two.

import { Client } from "countersign-sdk";
import { sandbox } from "countersign-sdk/sandbox";

const client = new Client({ baseUrl: "http://localhost:8080" });
const tools = sandbox(client);
const email = "authenticator@example.com";
await tools.POST("/sandbox/clock/advance", { body: { seconds: 30 } });
const { data: app } = await tools.POST("/sandbox/authenticator-code", { body: { email } });
let step = await client.signIn(email, "correct horse battery staple");
if (step.challenge && app) step = await step.challenge.answer(app.code);
console.log(step.done ? `Hello, ${step.done.user.email}.` : step.error);
