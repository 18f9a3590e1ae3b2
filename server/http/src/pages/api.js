// @ts-check
// What the pages ask of the server: the public API, and the session whose bearer they send.
//
// The access token is in memory alone. The refresh token is in `sessionStorage`, for this tab: it survives a reload and the way
// from one page to the next, and no other tab reads it. Who copies it is found out, since a refresh token works once.

/** @typedef {{code: string, message?: string, statusCode?: number, retryAfter?: number, attemptsRemaining?: number,
 *   reason?: string, offsetSeconds?: number, requestId?: string, errors?: {field: string, message: string}[]}} Body */

/** What the server refused, or that it did not answer. */
export class Refused extends Error {
  /** @param {Body} body */
  constructor(body) {
    super(body.code);
    this.code = body.code;
    this.body = body;
  }
}

/** The entry in `sessionStorage`. */
const ENTRY = "countersign.session";
/** How long before its end an access token is renewed, in milliseconds. */
const MARGIN = 30_000;
/** How long a call may take, in milliseconds: twice what the server gives a request by default. */
const PATIENCE = 30_000;

/** @type {{token: string, until: number} | undefined} */
let access;
/** @type {Promise<string> | undefined} */
let renewal;

/** Sends one request, and gives what the answer says.
 * @param {string} method @param {string} path @param {object} [body] @param {string} [bearer] */
async function send(method, path, body, bearer) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  let response;
  let answer;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE),
    });
    answer = response.status === 204 ? {} : await response.json();
  } catch {
    throw new Refused({ code: "NO_ANSWER" });
  }
  if (!response.ok) throw new Refused({ ...answer, code: answer.code ?? "NO_ANSWER", statusCode: response.status });
  return answer;
}

/** Posts without a bearer.
 * @param {string} path @param {object} [body] */
export const post = (path, body) => send("POST", path, body);

/** @returns {{refresh: string, id: string} | undefined} */
function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(ENTRY) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

/** Whether this tab has a session, as far as it knows. */
export const isSignedIn = () => kept() !== undefined;

/** Keeps the tokens of an answer.
 * @param {{accessToken: string, expiresIn: number, refreshToken?: string}} answer */
export function keep({ accessToken, expiresIn, refreshToken }) {
  access = { token: accessToken, until: Date.now() + expiresIn * 1000 - MARGIN };
  if (refreshToken) {
    const id = kept()?.id ?? crypto.randomUUID?.() ?? String(Math.random());
    sessionStorage.setItem(ENTRY, JSON.stringify({ refresh: refreshToken, id }));
  }
}

/** Forgets the session; it may go on at the server. */
export function forget() {
  access = undefined;
  sessionStorage.removeItem(ENTRY);
}

/** Makes sure that no other tab uses this session. Browsers copy `sessionStorage` into a tab that is duplicated, and a refresh
 * token that comes twice ends the session: so a copy is forgotten. A page that is loaded again waits for its former self to go.
 * @returns {Promise<boolean>} */
export async function isOwn() {
  const session = kept();
  const locks = navigator.locks;
  if (!session || !locks) return session !== undefined;
  return new Promise((told) => {
    const held = () => {
      told(true);
      // Until the page goes.
      return new Promise(() => {});
    };
    locks.request(`countersign:${session.id}`, { signal: AbortSignal.timeout(3000) }, held).catch(() => told(false));
  });
}

/** Trades the refresh token for a new pair. It is sent a second time if no answer came: within ten seconds that is no theft. */
async function renew() {
  const session = kept();
  if (!session) throw new Refused({ code: "TOKEN_INVALID" });
  const trade = () => post("/identity/token/refresh", { refreshToken: session.refresh });
  const again = (/** @type {Refused} */ error) => (error.code === "NO_ANSWER" ? trade() : Promise.reject(error));
  keep(await trade().catch(again));
  return /** @type {{token: string}} */ (access).token;
}

async function bearer() {
  if (access && Date.now() < access.until) return access.token;
  renewal ??= renew().finally(() => (renewal = undefined));
  return renewal;
}

/** What a page does when a call needs fresh proof, and when the session is over.
 * @type {{prove: () => Promise<void>, over: () => void}} */
export const hooks = { prove: () => Promise.reject(new Refused({ code: "CANCELLED" })), over: () => {} };

/** Sends with the session's bearer. Asks for fresh proof where the server wants it, and then sends again.
 * @param {string} method @param {string} path @param {object} [body]
 * @returns {Promise<any>} */
export async function call(method, path, body) {
  let [isRenewed, isProved] = [false, false];
  for (;;) {
    try {
      return await send(method, path, body, await bearer());
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.code === "TOKEN_EXPIRED" && !isRenewed) {
        isRenewed = true;
        access = undefined;
      } else if (error.code === "INSUFFICIENT_USER_AUTHENTICATION" && !isProved) {
        isProved = true;
        await hooks.prove();
      } else {
        if (error.code === "TOKEN_INVALID" || error.code === "TOKEN_EXPIRED") hooks.over();
        throw error;
      }
    }
  }
}
