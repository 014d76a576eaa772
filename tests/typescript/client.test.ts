// What functions/client.ts does when the API refuses a call, against a scripted server.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient, inMemory } from "./client.js";

interface Sent {
  path: string;
  token: string | undefined;
  body: unknown;
}

type Reply = [status: number, body?: unknown, headers?: Record<string, string>] | "lost";

const NEXT = { accessToken: "new", refreshToken: "r2" };

/** A client of a server that answers by `reply`, with what was sent and how long it waited. `random` is a half. */
function client(reply: (sent: Sent, earlier: Sent[]) => Reply) {
  const sent: Sent[] = [];
  const waits: number[] = [];
  const sessions = inMemory();
  sessions.set({ accessToken: "old", refreshToken: "r1" });
  const fetch = async (request: Request): Promise<Response> => {
    const text = await request.text();
    const one = {
      path: `${request.method} ${new URL(request.url).pathname}`,
      token: request.headers.get("authorization")?.replace("Bearer ", ""),
      body: text === "" ? undefined : JSON.parse(text),
    };
    const answer = reply(one, [...sent]);
    sent.push(one);
    if (answer === "lost") throw new TypeError("fetch failed");
    const [status, body, headers] = answer;
    const type = status < 400 ? "application/json" : "application/problem+json";
    const empty = body === undefined;
    return new Response(empty ? null : JSON.stringify(body), { status, headers: { ...(empty ? {} : { "content-type": type }), ...headers } });
  };
  const sleep = async (milliseconds: number): Promise<void> => void waits.push(milliseconds);
  const api = createClient({ baseUrl: "http://api.test", sessions, fetch, sleep, random: () => 0.5 });
  return { api, sent, waits, sessions };
}

const problem = (code: string) => ({ code });
const isRefresh = (sent: Sent): boolean => sent.path === "POST /api/auth/refresh";
const usage = { provider: "openai", model: "gpt-4o", promptTokens: 1, completionTokens: 1, latencyMs: 1, success: true };

test("an expired token is refreshed once, however many calls meet that", async () => {
  const { api, sent, sessions } = client((one) => {
    if (isRefresh(one)) return [200, NEXT];
    return one.token === "new" ? [200, { sessions: [] }] : [401, problem("unauthorized")];
  });
  const answers = await Promise.all([1, 2, 3].map(() => api.GET("/api/auth/sessions")));
  assert.deepEqual(answers.map((answer) => answer.response.status), [200, 200, 200]);
  assert.equal(sent.filter(isRefresh).length, 1);
  assert.deepEqual(sessions.get(), NEXT);
});

test("a call that is refused after a refresh, too, is answered with that", async () => {
  const { api, sent } = client((one) => (isRefresh(one) ? [200, NEXT] : [401, problem("unauthorized")]));
  const { response } = await api.GET("/api/auth/session");
  assert.equal(response.status, 401);
  assert.deepEqual(sent.map((one) => one.path), ["GET /api/auth/session", "POST /api/auth/refresh", "GET /api/auth/session"]);
});

test("a session that is over is forgotten, and one that nobody can refresh now is kept", async () => {
  for (const [status, kept] of [[401, undefined], [422, "r1"]] as const) {
    const { api, sessions } = client((one) => [isRefresh(one) ? status : 401, problem("unauthorized")]);
    assert.equal((await api.GET("/api/auth/session")).response.status, 401);
    assert.equal(sessions.get()?.refreshToken, kept);
  }
});

test("a refresh whose answer was lost is sent again with the same token", async () => {
  const { api, sent } = client((one, earlier) => {
    if (isRefresh(one)) return earlier.some(isRefresh) ? [200, NEXT] : "lost";
    return one.token === "new" ? [200, {}] : [401, problem("unauthorized")];
  });
  assert.equal((await api.GET("/api/auth/session")).response.status, 200);
  assert.deepEqual(sent.filter(isRefresh).map((one) => one.body), [{ refreshToken: "r1" }, { refreshToken: "r1" }]);
});

test("a wrong password refreshes nothing, nor does a platform key that is refused", async () => {
  const { api, sent, sessions } = client(() => [401, problem("unauthorized")]);
  await api.GET("/api/api-keys/usage", { headers: { authorization: "Bearer pk_x" } });
  sessions.set(undefined);
  await api.POST("/api/auth/login", { body: { email: "ada@example.com", password: "x" } });
  assert.equal(sent.filter(isRefresh).length, 0);
});

test("Retry-After is kept to, with a random part, and without it the wait grows", async () => {
  const replies: Reply[] = [
    [429, problem("too_many_requests"), { "retry-after": "3" }],
    [503, problem("unavailable"), { "retry-after": "5" }],
    [429],
    [200, { prompts: [], total: 0 }],
  ];
  const { api, waits } = client((_, earlier) => replies[earlier.length] ?? "lost");
  assert.equal((await api.GET("/api/prompts")).response.status, 200);
  assert.deepEqual(waits, [3250, 5250, 2000]);
});

test("a call gives up after four tries", async () => {
  for (const reply of [[503] as Reply, "lost" as const]) {
    const { api, sent, waits } = client(() => reply);
    const outcome = await api.GET("/api/prompts").then((answer) => answer.response.status, (error: unknown) => error);
    assert.ok(outcome === 503 || outcome instanceof TypeError);
    assert.deepEqual([sent.length, waits], [4, [500, 1000, 2000]]);
  }
});

test("what would wait too long, or in vain, is answered at once", async () => {
  for (const reply of [
    [429, problem("limit_reached"), { "retry-after": "3600" }],
    [503, problem("not_offered")],
    [500, problem("internal")],
    [404, problem("not_found")],
  ] as Reply[]) {
    const { api, sent } = client(() => reply);
    await api.GET("/api/prompts");
    assert.equal(sent.length, 1, JSON.stringify(reply));
  }
});

test("what would be done twice is sent once, unless an id keeps it from that", async () => {
  const refused = (): Reply => [503, problem("unavailable"), { "retry-after": "1" }];
  const once = client(refused);
  await once.api.POST("/api/prompts", { body: { title: "T", content: "C" } });
  await once.api.POST("/api/auth/login", { body: { email: "ada@example.com", password: "x" } });
  assert.equal(once.sent.length, 2);

  const { api, sent } = client(refused);
  const own = "0193531a-8c40-7c3e-9f6a-2b7d5e8f1a90";
  await api.POST("/api/ai/usage", { body: { records: [{ ...usage, id: own }, usage] } });
  const ids = sent.map((one) => (one.body as { records: { id: string }[] }).records.map((record) => record.id));
  assert.equal(ids.length, 4);
  assert.equal(ids[0]?.[0], own);
  assert.match(ids[0]?.[1] ?? "", /^[0-9a-f-]{36}$/);
  ids.forEach((these) => assert.deepEqual(these, ids[0]));

  for (const body of [{ events: [{ promptId: "p", event: "copy" as const }] }, { promptId: "p", event: "copy" as const }]) {
    const events = client(refused);
    await events.api.POST("/api/analytics/track", { body });
    const sent = events.sent.map((one) => one.body as { id?: string; events?: { id: string }[] });
    const given = new Set(sent.map((one) => one.events?.[0]?.id ?? one.id));
    assert.equal(sent.length, 4);
    assert.ok(given.size === 1 && !given.has(undefined), "one id for all repeats");
  }

  const runs = client(refused);
  const run = { toolId: "prompt-tester", promptHash: "0".repeat(64), provider: "openai", model: "m", promptTokens: 1, maxCompletionTokens: 1 };
  await runs.api.POST("/api/workbench/runs", { body: run });
  assert.equal(new Set(runs.sent.map((one) => (one.body as { runId: string }).runId)).size, 1);
});
