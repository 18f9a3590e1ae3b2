/**
 * The types of `openapi/veeam.yaml`, and an `openapi-fetch` client with them.
 *
 * @packageDocumentation
 */

import createClient, { type Client } from "openapi-fetch";

import type { paths } from "./generated/veeam.js";
import { SAFE, type Server } from "./server.js";

export type * from "./generated/veeam.js";

/** The typed calls of this document. Given a `Client` of `countersign-sdk`, they have its session. */
export function veeam({ baseUrl, fetch }: Server): Client<paths> {
  return createClient<paths>({ ...SAFE, baseUrl, ...(fetch && { fetch }) });
}
