/**
 * The types of `openapi/netevia.yaml`, and an `openapi-fetch` client with them.
 *
 * @packageDocumentation
 */

import createClient, { type Client } from "openapi-fetch";

import type { paths } from "./generated/netevia.js";
import { SAFE, type Server } from "./server.js";

export type * from "./generated/netevia.js";

/** The typed calls of this document. Given a `Client` of `countersign-sdk`, they have its session. */
export function netevia({ baseUrl, fetch }: Server): Client<paths> {
  return createClient<paths>({ ...SAFE, baseUrl, ...(fetch && { fetch }) });
}
