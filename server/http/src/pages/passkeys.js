// @ts-check
// Passkeys: from the server's options to the browser, and back as JSON.

import { Refused } from "./api.js";

/** Whether this browser can use passkeys as the API speaks of them. */
export const canUsePasskeys = "parseRequestOptionsFromJSON" in (window.PublicKeyCredential ?? {});

/** Turns what the browser throws into a refusal with a sentence.
 * @param {unknown} error */
function told(error) {
  const { name } = Object(error);
  if (name === "InvalidStateError") return new Refused({ code: "PASSKEY_KNOWN" });
  if (name === "NotAllowedError" || name === "AbortError") return new Refused({ code: "PASSKEY_CANCELLED" });
  return new Refused({ code: "PASSKEY_FAILED" });
}

/** Makes a passkey.
 * @param {any} options */
export async function makePasskey(options) {
  try {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return plain(await navigator.credentials.create({ publicKey }));
  } catch (error) {
    throw told(error);
  }
}

/** Asks for a passkey. With `mediation`, where the user types the address.
 * @param {any} options @param {{mediation?: CredentialMediationRequirement, signal?: AbortSignal}} [how] */
export async function usePasskey(options, how = {}) {
  try {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return plain(await navigator.credentials.get({ publicKey, ...how }));
  } catch (error) {
    throw told(error);
  }
}

/** @param {Credential | null} credential */
const plain = (credential) => /** @type {PublicKeyCredential} */ (credential).toJSON();
