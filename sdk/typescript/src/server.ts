// What all clients know of a server, and how none of them sends a request.

/** A server to call: its address, and what sends the requests. A `Client` is one. */
export interface Server {
  /** Where the server is, such as `https://id.example.com`. */
  readonly baseUrl: string;
  /** What sends a request, instead of the global `fetch`. */
  readonly fetch?: (request: Request) => Promise<Response>;
}

/** What no request of a client does: follow a redirect with a password in it, send cookies, or be stored. */
export const SAFE = { redirect: "error", credentials: "omit", cache: "no-store" } as const;
