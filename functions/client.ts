// A client that keeps to the API's rules, over openapi-fetch and the types of openapi.json:
//
// - an access token that has expired is refreshed, once, however many calls meet that at a time;
// - what may safely be sent again is sent again after 429, 503 and a lost connection, when Retry-After says so, or else
//   after a wait that is random and grows, so that a thousand browsers do not come back in the same second;
// - what would be done twice carries an id, so that it is not.
//
// Copy this file beside the types:
//
//   npm install openapi-fetch
//   npx openapi-typescript https://…/api/openapi.json --output openapi.ts

import createFetchClient, { type Client } from "openapi-fetch";

import type { paths } from "./openapi.js";

/** What a sign-in gives, as far as later calls need it. */
export interface Session {
  accessToken: string;
  refreshToken: string;
}

/** Where the session is kept: in memory, a tab's `sessionStorage`, a cookie of the server's own. */
export interface SessionStore {
  get(): Session | undefined;
  /** Nothing: nobody is signed in any more. */
  set(session: Session | undefined): void;
}

export interface Options {
  /** `https://api.example.com`, or nothing for the page's own. */
  baseUrl?: string;
  sessions?: SessionStore;
  /** How often a call is sent at most. */
  tries?: number;
  /** Milliseconds that a call waits at most before it is sent again: told to wait longer, it is answered at once. */
  longestWait?: number;
  /** For tests: what sends, waits, and draws from 0 to 1. */
  fetch?: (request: Request) => Promise<Response>;
  sleep?: (milliseconds: number) => Promise<void>;
  random?: () => number;
}

/** The longest first wait, in milliseconds, where the API does not say how long; it doubles with each try. */
const FIRST_WAIT = 500;

const REFRESH = "/api/auth/refresh";

/** A place that lasts as long as the page. */
export function inMemory(): SessionStore {
  let kept: Session | undefined;
  return { get: () => kept, set: (session) => void (kept = session) };
}

export function createClient(options: Options = {}): Client<paths> {
  const {
    baseUrl = "",
    sessions = inMemory(),
    tries = 4,
    longestWait = 30_000,
    fetch = (request) => globalThis.fetch(request),
    sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    random = Math.random,
  } = options;
  let refreshing: Promise<boolean> | undefined;

  /** Milliseconds until the next try; nothing if there is none. `answer` is missing if the connection was lost. */
  function wait(answer: Response | undefined, tried: number): number | undefined {
    if (tried >= tries || (answer !== undefined && answer.status !== 429 && answer.status !== 503)) return undefined;
    const told = Number(answer?.headers.get("retry-after") ?? Number.NaN);
    if (Number.isFinite(told)) {
      const milliseconds = told * 1000 + random() * FIRST_WAIT;
      return milliseconds <= longestWait ? milliseconds : undefined;
    }
    // A function of the API that does not say how long: waiting does not help.
    if (answer?.headers.get("content-type")?.startsWith("application/problem+json")) return undefined;
    return Math.min(random() * FIRST_WAIT * 2 ** tried, longestWait);
  }

  /** Sends copies of a request, whose body can be read once. */
  async function repeat(request: Request): Promise<Response> {
    for (let tried = 1; ; tried += 1) {
      let answer: Response | undefined;
      let lost: unknown;
      try {
        answer = await fetch(request.clone());
      } catch (error) {
        // A cap's 503 has no CORS headers: a browser calls it a lost connection.
        lost = error;
      }
      const pause = request.signal.aborted ? undefined : wait(answer, tried);
      if (pause === undefined) {
        if (answer === undefined) throw lost;
        return answer;
      }
      await sleep(pause);
    }
  }

  /** Whether there is another access token than `old` now. */
  async function refresh(old: string): Promise<boolean> {
    const session = sessions.get();
    // Another call was faster.
    if (session === undefined || session.accessToken !== old) return session !== undefined;
    const body = JSON.stringify({ refreshToken: session.refreshToken });
    const headers = { "content-type": "application/json" };
    // Sent again, a refresh token gives the same successor for some seconds.
    const answer = await repeat(new Request(baseUrl + REFRESH, { method: "POST", headers, body }));
    const next = answer.ok ? ((await answer.json()) as Session) : undefined;
    // Whoever signed out meanwhile, or in as somebody else, keeps what they did.
    if (sessions.get()?.refreshToken !== session.refreshToken) return false;
    if (next !== undefined || answer.status === 401) sessions.set(next);
    return answer.ok;
  }

  async function send(original: Request): Promise<Response> {
    const [request, repeatable] = await withIds(original);
    const attempt = repeatable ? repeat : fetch;
    const token = request.headers.has("authorization") ? undefined : sessions.get()?.accessToken;
    if (token === undefined) return attempt(request);
    const answer = await attempt(withToken(request, token));
    if (answer.status !== 401) return answer;
    refreshing ??= refresh(token).finally(() => (refreshing = undefined));
    const next = (await refreshing) ? sessions.get()?.accessToken : undefined;
    return next === undefined ? answer : attempt(withToken(request, next));
  }

  return createFetchClient<paths>({ baseUrl, fetch: send });
}

/** Every page of a list, one after another: `read` sends what it is given in the query, and throws for a problem. */
export async function* pages<Page extends { nextCursor?: string | null }>(
  read: (from: { cursor?: string }) => Promise<Page>,
): AsyncGenerator<Page, void> {
  let from: { cursor?: string } | undefined = {};
  while (from !== undefined) {
    const page: Page = await read(from);
    yield page;
    from = page.nextCursor ? { cursor: page.nextCursor } : undefined;
  }
}

function withToken(request: Request, token: string): Request {
  const copy = request.clone();
  copy.headers.set("authorization", `Bearer ${token}`);
  return copy;
}

interface Named {
  id?: string | null;
}

const named = (one: Named): void => void (one.id ??= crypto.randomUUID());

/** What is stored once however often it is sent, if it has an id: this gives it one. */
const IDENTIFIED: Record<string, (body: Named & { records?: Named[]; events?: Named[] | null; runId?: string | null }) => void> = {
  "/api/ai/usage": (body) => body.records?.forEach(named),
  // One event may stand without a list.
  "/api/analytics/track": (body) => (body.events ?? [body]).forEach(named),
  "/api/workbench/runs": (body) => (body.runId ??= crypto.randomUUID()),
};

/** The request, and whether it may be sent again. */
async function withIds(request: Request): Promise<[Request, boolean]> {
  if (["GET", "HEAD", "PUT", "DELETE"].includes(request.method)) return [request, true];
  const path = new URL(request.url).pathname;
  const identify = request.method === "POST" ? Object.entries(IDENTIFIED).find(([end]) => path.endsWith(end)) : undefined;
  if (identify === undefined) return [request, false];
  const body = await request.clone().json();
  identify[1](body);
  return [new Request(request, { body: JSON.stringify(body) }), true];
}
