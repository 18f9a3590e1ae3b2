// What the client knows of the operations by heart, held to the document that the server serves.

import assert from "node:assert/strict";
import { test } from "node:test";

// Not part of what the package exports.
import { BY_KEY, ONE_TIME, OPEN } from "../dist/transport.js";

import { start } from "./server.js";

interface Operation {
  security: Record<string, unknown>[];
  requestBody?: { content: Record<string, { schema: { $ref: string } }> };
}

/** Fields that are good for one try. */
const WORKS_ONCE = ["code", "credential", "refreshToken"];

test("bearers, API keys and what works once are the document's", async () => {
  const server = await start();
  try {
    const document = await (await fetch(`${server.url}/openapi/identity.json`)).json();
    let operations = 0;
    for (const [path, methods] of Object.entries<Record<string, Operation>>(document.paths)) {
      for (const [method, { security, requestBody }] of Object.entries(methods)) {
        if (!["get", "post", "put", "patch", "delete"].includes(method)) continue;
        operations += 1;
        const needsBearer = security.length > 0 && security.every((one) => "bearerAuth" in one || "apiKeyAuth" in one);
        assert.equal(!OPEN.test(path), needsBearer, `the bearer of ${method} ${path}`);
        assert.equal(BY_KEY.test(path), security.some((one) => "apiKeyAuth" in one), `the API key of ${method} ${path}`);
        const name = requestBody?.content["application/json"]?.schema.$ref.split("/").at(-1) ?? "";
        const fields = Object.keys(document.components.schemas[name]?.properties ?? {});
        const isOnce = fields.some((field) => WORKS_ONCE.includes(field)) || name === "MagicLinkRequest" || name === "UndoEmailChangeRequest";
        assert.equal(method !== "get" && ONE_TIME.test(path), isOnce, `once: ${method} ${path}`);
      }
    }
    assert.ok(operations > 30, `${operations} operations`);
  } finally {
    await server.stop();
  }
});
