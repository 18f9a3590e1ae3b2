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
 * Keeps the tokens of one session. {@link memoryStore} is the default; {@link localStore} and {@link tabStore} outlive a
 * reload. Write your own for a file, a cookie jar or a phone's key chain.
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
 * Keeps the tokens in `localStorage`: all tabs of the origin are one session, which a reload and a closed browser do not end.
 *
 * What it risks:
 *
 * - Every script of the origin can read the tokens, those of an analytics service or of a hijacked package included. With them
 *   it is the user, elsewhere and later, for as long as the session lives. In memory they are harder to find and gone with the page.
 * - They lie on the disk, also after the browser is closed.
 * - The tabs renew the session one at a time by Web Locks, which browsers have on https and `localhost` alone. Without them two tabs
 *   may renew at once; the server forgives that within ten seconds, unless its operator says otherwise, and ends the session later.
 *
 * @param key - The name of the entry. Another one for another session on the same origin.
 */
export function localStore(key = "countersign"): TokenStore {
  const store = entry(localStorage, key);
  const { locks } = navigator;
  return locks ? shared(store, key, locks) : store;
}

/**
 * Keeps the tokens in `sessionStorage`: for one tab, over its reloads.
 *
 * What it risks:
 *
 * - Every script of the origin can read the tokens, as in {@link localStore}.
 * - A tab that the user duplicates begins with a copy. The two then hold the same refresh token, and the second one to renew ends the
 *   session of both.
 *
 * @param key - The name of the entry. Another one for another session on the same origin.
 */
export function tabStore(key = "countersign"): TokenStore {
  return entry(sessionStorage, key);
}

function entry(storage: Storage, key: string): TokenStore {
  return {
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
}

/** For how long a tab may read what another one has replaced, in milliseconds. It is far less, unless the machine is busy. */
const LAG = 5_000;

/**
 * A store in `localStorage` with a lock for all tabs.
 *
 * What one tab writes, another one reads some time later: browsers run tabs as processes, each with a copy of the storage, and
 * locks arrive sooner. A tab that has just been given the lock could read the refresh token that the one before it has spent. So each
 * write has a number, which the writer also says by a second lock, `NAME:NUMBER`, before it gives up the first. Whoever gets
 * the first one waits until their copy of the storage has come to the highest number that they find among the locks.
 */
function shared({ get, set }: TokenStore, key: string, locks: LockManager): TokenStore {
  const name = `countersign:${key}`;
  const counter = `${key}:version`;
  let version = 0;
  const catchUp = async () => {
    const { held = [] } = await locks.query();
    const told = held.map((lock) => (lock.name?.startsWith(`${name}:`) ? Number(lock.name.slice(name.length + 1)) : 0));
    const newest = Math.max(0, ...told);
    const latest = Date.now() + LAG;
    while ((version = Number(localStorage.getItem(counter))) < newest && Date.now() < latest) await pause(5);
    version = Math.max(version, newest);
  };
  return {
    get,
    set: async (tokens) => {
      await set(tokens);
      version += 1;
      // After the tokens, so that whoever reads this number has them, too.
      localStorage.setItem(counter, String(version));
      await new Promise<void>((told) => {
        void locks.request(`${name}:${version}`, { mode: "shared" }, () => {
          told();
          return pause(LAG);
        });
      });
    },
    lock: async <T>(work: () => Promise<T>): Promise<T> =>
      locks.request(name, async () => {
        await catchUp();
        return work();
      }),
  };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
