// Sending: with the bearer, again where that is safe, renewed or lifted where the server asks for it.

import { Failure, pauseOf } from "./failure.js";
import { SAFE } from "./server.js";
import { Session } from "./session.js";
import type { TokenStore } from "./store.js";

/** The operations that no bearer opens, or that need none. A test holds it to the document. */
export const OPEN =
  /^\/(identity\/(register|login$|password\/|email\/|token\/refresh$|mfa\/(login|resend|magic-link|(setup|disable)\/verify)|passkey\/)|healthz|readyz|\.well-known)/;

/** The operations that carry something that works once, which are never sent again. A test holds it to the document. */
export const ONE_TIME = /\/(verify|verify-passkey|refresh|magic-link|passkey\/login|password\/reset|email\/undo)$/;

/** The operations that an API key opens. A test holds it to the document. */
export const BY_KEY = /^\/identity\/(validate-token|users)$/;

/** Up to so many milliseconds are added to the pause that a server asks for, so that its callers do not all come back at once. */
const SPREAD = 250;

/** How often a call may be made again without being asked. */
export interface Retry {
  /** The tries in all. Three by default; one for never again. */
  readonly tries?: number;
  /** When the last of them begins, in milliseconds after the first. Twenty seconds by default. A longer `Retry-After` is handed on. */
  readonly within?: number;
}

/** A call has been refused until the user proves again who they are. */
export interface StepUpWanted {
  /** How old the proof may be, in seconds. */
  readonly maxAge: number | undefined;
  /** The refused call's method, such as `DELETE`. */
  readonly method: string;
  /** The refused call's path, such as `/identity/mfa/methods/factor-…`. */
  readonly path: string;
}

/** What a transport is made of. */
export interface Settings {
  readonly base: string;
  readonly store: TokenStore;
  readonly apiKey: string | undefined;
  readonly retry: Required<Retry>;
  readonly timeout: number;
  readonly fetch: (request: Request) => Promise<Response>;
  readonly stepUp: ((wanted: StepUpWanted) => unknown) | undefined;
  readonly signedOut: () => void;
}

/** Sends the requests of a client. */
export class Transport {
  /** The session whose bearer is sent. */
  readonly session: Session;
  readonly #settings: Settings;
  #lifting: Promise<void> | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
    const trade = async (body: object) => {
      try {
        const headers = { "Content-Type": "application/json" };
        const request = new Request(`${settings.base}/identity/token/refresh`, {
          ...SAFE,
          method: "POST",
          headers,
          body: JSON.stringify(body),
        });
        const response = await this.#once(request);
        return { status: response.status, body: await response.json() };
      } catch {
        return undefined;
      }
    };
    this.session = new Session(settings.store, trade, settings.signedOut);
  }

  /** Sends a request of this server's, and gives the answer that is to be handed on. */
  async send(request: Request): Promise<Response> {
    const { base, apiKey } = this.#settings;
    if (!request.url.startsWith(`${base}/`)) throw new Failure(`${base} has no such address`);
    const path = new URL(request.url.slice(base.length), base).pathname;
    if (apiKey && BY_KEY.test(path)) request.headers.set("X-API-Key", apiKey);
    const takesBearer = !OPEN.test(path) && !request.headers.has("Authorization");
    const bearer = takesBearer ? await this.session.fresh() : undefined;
    const signIn = (await this.session.tokens())?.signIn;
    const response = await this.#sent(request, path, bearer, signIn);
    const isOver = response.ok ? path === "/identity/logout" : bearer && (await told(response)).code === "TOKEN_INVALID";
    if (isOver) await this.session.end(signIn);
    return response;
  }

  async #sent(request: Request, path: string, first: string | undefined, signIn: string | undefined): Promise<Response> {
    const reads = request.method === "GET" || request.method === "HEAD";
    // Of other documents than the native one it is not known here, so they count as such.
    const isOneTime = !reads && (ONE_TIME.test(path) || !path.startsWith("/identity/"));
    const begun = Date.now();
    let bearer = first;
    let renewed = false;
    let lifted = false;
    for (let tries = 1; ; tries += 1) {
      const copy = request.clone();
      if (bearer) copy.headers.set("Authorization", `Bearer ${bearer}`);
      let response: Response | undefined;
      let cause: unknown;
      try {
        response = await this.#once(copy);
      } catch (error) {
        request.signal.throwIfAborted();
        cause = error;
      }
      const { code, maxAge } = response ? await told(response) : {};
      if (bearer && !isOneTime && response?.status === 401) {
        let next: string | undefined = bearer;
        if (code === "TOKEN_EXPIRED" && !renewed) {
          renewed = true;
          next = await this.session.after(bearer);
        } else if (code === "INSUFFICIENT_USER_AUTHENTICATION" && !lifted) {
          lifted = true;
          next = await this.#lift(bearer, { maxAge, method: request.method, path });
        }
        if (!next || next === bearer) return response;
        // What one user was refused is not done in the name of another one who has signed in meanwhile.
        if ((await this.session.tokens())?.signIn !== signIn) return response;
        bearer = next;
        continue;
      }
      const pause = this.#mayRepeat(response, code, reads, isOneTime) ? pauseAfter(tries, response) : Infinity;
      const { tries: most, within } = this.#settings.retry;
      if (tries < most && Date.now() - begun + pause <= within) await paused(pause, request.signal);
      else if (response) return response;
      else throw new Failure(`No answer came from ${new URL(request.url).origin}.`, { cause });
    }
  }

  #mayRepeat(response: Response | undefined, code: string | undefined, reads: boolean, isOneTime: boolean): boolean {
    if (reads) return !response || [429, 502, 503, 504].includes(response.status);
    // A proxy's 503 says nothing of what the server has done; the server's own says that nothing took effect.
    return !isOneTime && response?.status === 503 && code === "SERVICE_UNAVAILABLE";
  }

  /** Has the session lifted by one callback for all calls that wait for it: the access token afterwards. */
  async #lift(refused: string, wanted: StepUpWanted): Promise<string | undefined> {
    const { stepUp } = this.#settings;
    if (!stepUp) return refused;
    const now = (await this.session.tokens())?.accessToken;
    if (now !== refused) return now;
    this.#lifting ??= (async () => void (await stepUp(wanted)))().finally(() => {
      this.#lifting = undefined;
    });
    await this.#lifting;
    return (await this.session.tokens())?.accessToken;
  }

  #once(request: Request): Promise<Response> {
    const { fetch, timeout } = this.#settings;
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(timeout)]);
    return fetch(new Request(request, { signal }));
  }
}

/** What an error's body says; nothing if it is not from this server. The body can be read again. */
async function told(response: Response): Promise<{ code?: string; maxAge?: number }> {
  if (response.ok) return {};
  try {
    return Object(await response.clone().json());
  } catch {
    return {};
  }
}

/** Milliseconds until the next try: as long as the server asks for, else doubling from about 200. */
function pauseAfter(tries: number, response: Response | undefined): number {
  const asked = response && pauseOf(response);
  return asked === undefined ? 2 ** tries * (50 + Math.random() * 50) : asked * 1000 + Math.random() * SPREAD;
}

function paused(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
