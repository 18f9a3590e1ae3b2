/**
 * The types of `openapi/identity.yaml`, the native API, by their names in it.
 *
 * @packageDocumentation
 */

export type * from "./generated/identity.js";
