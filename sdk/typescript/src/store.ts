// Where tokens are kept: in memory, or where other tabs find them.

/**
 * What a signed-in client holds. Whoever reads it is the user: keep it out of logs, URLs and error reports.
 *
 * It is plain data, so that any store can keep it as JSON.
 */
export interface Tokens {
  /** The bearer. */
  readonly accessToken: string;
  /** Good for one renewal. Sent again later, it ends the session. */
  readonly refreshToken: string;
  /** When the access token ends, by this machine's clock, in milliseconds since 1970. */
  readonly expiresAt: number;
  /** When it is renewed, a little earlier. */
  readonly renewAt: number;
  /** Tells one sign-in from another. It stays when the tokens are renewed. */
  readonly signIn: string;
}

/**
 * Keeps the tokens of one session. {@link memoryStore} is the default; {@link webStore} takes `localStorage` or
 * `sessionStorage`. Write your own for a file, a cookie jar or a phone's key chain.
 *
 * The client reads it before each call and keeps no copy, so that several clients on one store are one session.
 */
export interface TokenStore {
  /** What is kept, or `undefined` if nobody is signed in. */
  get(): Tokens | undefined | Promise<Tokens | undefined>;
  /** Keeps these tokens, or with `undefined` forgets those it has. */
  set(tokens: Tokens | undefined): void | Promise<void>;
  /**
   * Runs `work` while nobody else who shares this store runs theirs. A store that other tabs or processes read needs it: a refresh
   * token that two of them send ends the session. Without it, the calls of one client wait for each other.
   */
  lock?<T>(work: () => Promise<T>): Promise<T>;
}

/** Keeps the tokens in this page or process, and nowhere else. A reload signs out. The safest choice, and the default. */
export function memoryStore(): TokenStore {
  let kept: Tokens | undefined;
  return {
    get: () => kept,
    set: (tokens) => {
      kept = tokens;
    },
  };
}

/**
 * Keeps the tokens in `localStorage` or `sessionStorage`, to stay signed in over a reload.
 *
 * What it risks:
 *
 * - Every script of the origin can read the tokens, those of an analytics service or of a hijacked package included. With them
 *   it is the user, elsewhere and later, for as long as the session lives. In memory they are harder to find and gone with the page.
 * - `localStorage` also keeps them on the disk after the browser is closed. All tabs share the session, and one of them renews it for
 *   all. That takes Web Locks, which browsers have on https and `localhost` alone. Without them two tabs may renew at once; the
 *   server forgives that within ten seconds, and ends the session later.
 * - `sessionStorage` is for one tab. But a tab that the user duplicates begins with a copy, and the two then hold the same
 *   refresh token: the second one to renew ends the session of both.
 *
 * @param storage - `localStorage` or `sessionStorage`.
 * @param key - The name of the entry. Another one for another session on the same origin.
 */
export function webStore(storage: Storage, key = "countersign"): TokenStore {
  const store: TokenStore = {
    get: () => {
      try {
        return (JSON.parse(storage.getItem(key) ?? "null") ?? undefined) as Tokens | undefined;
      } catch {
        return undefined;
      }
    },
    set: (tokens) => {
      if (tokens) storage.setItem(key, JSON.stringify(tokens));
      else storage.removeItem(key);
    },
  };
  const locks = globalThis.navigator?.locks;
  if (locks) store.lock = (work) => locks.request(`countersign:${key}`, work) as ReturnType<typeof work>;
  return store;
}
