// The session of a client: its tokens, and their renewal by one call for all who wait for it.
//
// A refresh token that comes a second time ends the session, since it may have been stolen. So whoever writes to the store holds
// its lock, and reads it anew first: another call, or another tab, may have been quicker.

import type { RefreshTokenRequest, TokenResponse } from "./generated/identity.js";
import type { Tokens, TokenStore } from "./store.js";

/** How long before its end an access token is renewed, at most; a quarter of its life if that is shorter. */
const MARGIN = 30_000;

/**
 * For how long after the first try a refresh token is sent again when no answer came. The server gives the same answer once more
 * within ten seconds; later it would end the session.
 */
const AGAIN_WITHIN = 5_000;

/** The part of an answer that signs in. */
export type Issued = Pick<TokenResponse, "accessToken" | "refreshToken" | "expiresIn">;

/** Sends a refresh token; `undefined` when no answer of the server came. */
export type Trade = (body: RefreshTokenRequest) => Promise<{ status: number; body: Partial<Issued> & { code?: string } } | undefined>;

/** The tokens in a store, and what may become of them. */
export class Session {
  readonly #store: TokenStore;
  readonly #trade: Trade;
  readonly #ended: () => void;
  #last: Promise<unknown> = Promise.resolve();
  #renewal: Promise<void> | undefined;

  constructor(store: TokenStore, trade: Trade, ended: () => void) {
    this.#store = store;
    this.#trade = trade;
    this.#ended = ended;
  }

  /** What is kept now. */
  async tokens(): Promise<Tokens | undefined> {
    return this.#store.get();
  }

  /** An access token that lives for some time yet. */
  async fresh(): Promise<string | undefined> {
    const tokens = await this.tokens();
    if (tokens && Date.now() >= tokens.renewAt) return this.after(tokens.accessToken);
    return tokens?.accessToken;
  }

  /** The access token after the one that is spent; the same one if it could not be renewed now. */
  async after(spent: string): Promise<string | undefined> {
    this.#renewal ??= this.#locked(() => this.#renew(spent)).finally(() => {
      this.#renewal = undefined;
    });
    await this.#renewal;
    return (await this.tokens())?.accessToken;
  }

  /** Keeps the tokens of a new sign-in. */
  begin(issued: Issued): Promise<void> {
    return this.#locked(async () => {
      const signIn = `${Date.now()}-${Math.random()}`;
      await this.#store.set({ ...timed(issued), refreshToken: issued.refreshToken, signIn });
    });
  }

  /** Goes on with the access token of a lifted session, unless somebody else has signed in meanwhile. */
  lift(lifted: Omit<Issued, "refreshToken">, signIn: string | undefined): Promise<void> {
    return this.#locked(async () => {
      const tokens = await this.tokens();
      if (tokens && tokens.signIn === signIn) await this.#store.set({ ...tokens, ...timed(lifted) });
    });
  }

  /** Forgets the session of a sign-in, unless somebody else has signed in meanwhile. */
  end(signIn: string | undefined): Promise<void> {
    return this.#locked(async () => {
      const tokens = await this.tokens();
      if (tokens && tokens.signIn === signIn) await this.#forget();
    });
  }

  async #renew(spent: string): Promise<void> {
    const tokens = await this.tokens();
    if (!tokens || tokens.accessToken !== spent) return;
    const { refreshToken, signIn } = tokens;
    const begun = Date.now();
    let answer = await this.#trade({ refreshToken });
    if (!answer && Date.now() - begun < AGAIN_WITHIN) answer = await this.#trade({ refreshToken });
    const now = await this.tokens();
    if (!answer || now?.refreshToken !== refreshToken) return;
    const { status, body } = answer;
    if (status === 200 && body.refreshToken) {
      await this.#store.set({ ...timed(body as Issued), refreshToken: body.refreshToken, signIn });
    } else if (status === 400 || status === 401) {
      await this.#forget();
    }
  }

  async #forget(): Promise<void> {
    await this.#store.set(undefined);
    this.#ended();
  }

  #locked<T>(work: () => Promise<T>): Promise<T> {
    if (this.#store.lock) return this.#store.lock(work);
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function timed({ accessToken, expiresIn }: Omit<Issued, "refreshToken">) {
  const expiresAt = Date.now() + expiresIn * 1000;
  return { accessToken, expiresAt, renewAt: expiresAt - Math.min(MARGIN, expiresIn * 250) };
}
