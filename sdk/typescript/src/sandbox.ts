/**
 * The types of `openapi/sandbox.yaml`, and an `openapi-fetch` client with them.
 *
 * @packageDocumentation
 */

import createClient, { type Client } from "openapi-fetch";

import type { paths } from "./generated/sandbox.js";
import { SAFE, type Server } from "./server.js";

export type * from "./generated/sandbox.js";

/** The typed calls of this document. Given a `Client` of `countersign-sdk`, they have its session. */
export function sandbox({ baseUrl, fetch }: Server): Client<paths> {
  return createClient<paths>({ ...SAFE, baseUrl, ...(fetch && { fetch }) });
}
