// Passkeys in the browser: the server's options to `navigator.credentials`, and what it returns back as JSON.

import type { PasskeyCredential } from "./generated/identity.js";

/** The passkey was not used: the user or the browser broke it off, or the time ran out. Nothing is spent. */
export interface PasskeyCancelled {
  /** A code of this client's own; no server says it. */
  readonly code: "PASSKEY_CANCELLED";
  /** One sentence for the user. */
  readonly message: string;
  /** What the browser said. */
  readonly cause: unknown;
}

/** The device already has a passkey of this account. */
export interface PasskeyKnown {
  /** A code of this client's own; no server says it. */
  readonly code: "PASSKEY_KNOWN";
  /** One sentence for the user. */
  readonly message: string;
  /** What the browser said. */
  readonly cause: unknown;
}

/** How to ask for a passkey. */
export interface PasskeyOptions {
  /** Breaks it off, as when the user leaves the page. */
  readonly signal?: AbortSignal;
}

type Options = Record<string, unknown>;
type Made<Problem> = { credential: PasskeyCredential; error?: never } | { credential?: never; error: Problem };

/** Makes a passkey. */
export async function makePasskey(options: Options, { signal }: PasskeyOptions = {}): Promise<Made<PasskeyCancelled | PasskeyKnown>> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as never);
  return asked(() => navigator.credentials.create({ publicKey, ...(signal && { signal }) }));
}

/** Asks for a passkey. With `mediation: "conditional"`, the browser offers it where the user types the address. */
export async function usePasskey(
  options: Options,
  { signal, mediation }: PasskeyOptions & { mediation?: CredentialMediationRequirement } = {},
): Promise<Made<PasskeyCancelled>> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as never);
  const get = () => navigator.credentials.get({ publicKey, ...(signal && { signal }), ...(mediation && { mediation }) });
  return asked(get) as Promise<Made<PasskeyCancelled>>;
}

async function asked(ask: () => Promise<Credential | null>): Promise<Made<PasskeyCancelled | PasskeyKnown>> {
  try {
    const credential = (await ask()) as PublicKeyCredential;
    return { credential: json(credential) };
  } catch (cause) {
    const { name } = Object(cause) as { name?: string };
    if (name === "InvalidStateError") {
      return { error: { code: "PASSKEY_KNOWN", message: "This device already has a passkey of this account.", cause } };
    }
    if (name !== "NotAllowedError" && name !== "AbortError") throw cause;
    const message = "The passkey was not used. Try again, or choose another method.";
    return { error: { code: "PASSKEY_CANCELLED", message, cause } };
  }
}

/** `credential.toJSON()`; by hand for password managers whose credentials look like the browser's, but cannot do that. */
function json(credential: PublicKeyCredential): PasskeyCredential {
  try {
    return credential.toJSON() as unknown as PasskeyCredential;
  } catch {
    const response: Record<string, unknown> = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      const bytes = (credential.response as unknown as Record<string, ArrayBuffer | null | undefined>)[name];
      if (bytes) response[name] = base64url(bytes);
    }
    const { id, rawId } = credential;
    const clientExtensionResults = credential.getClientExtensionResults() as Record<string, unknown>;
    return { id, rawId: base64url(rawId), type: "public-key", response, clientExtensionResults };
  }
}

function base64url(bytes: ArrayBuffer): string {
  const text = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
