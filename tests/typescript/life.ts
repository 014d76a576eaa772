// A whole life of a user, by the generated client alone, against a stack that runs: `API_URL`. The mails are what the
// program in `MAILS` prints.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

import { createClient, inMemory, pages } from "./client.js";
import type { components } from "./openapi.js";

type Problem = components["schemas"]["Problem"];
type Prompt = components["schemas"]["Prompt"];

const PASSWORD = "Secret123-blue-lantern";
const email = `life-${crypto.randomUUID()}@example.com`;

const sessions = inMemory();
const api = createClient({ baseUrl: setting("API_URL"), sessions });

function setting(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
}

/** The answer of a call that succeeded. */
function right<Data>(result: { data?: Data; error?: unknown; response: Response }): Data {
  assert.ok(result.response.ok, `${result.response.url}: ${result.response.status} ${JSON.stringify(result.error)}`);
  return result.data as Data;
}

/** The problem that a call was refused with. */
function wrong(result: { error?: Problem; response: Response }, status: number): Problem {
  assert.equal(result.response.status, status, JSON.stringify(result.error));
  assert.ok(result.error);
  return result.error;
}

/** The token of the link in the newest mail to this person. */
async function mailedToken(): Promise<string> {
  for (let tries = 0; tries < 120; tries += 1) {
    const mails = execFileSync(setting("MAILS"), ["mail"], { encoding: "utf8" });
    const own = mails.slice(mails.lastIndexOf(email));
    const token = /token=([\w.~%-]+)/.exec(own)?.[1];
    if (mails.includes(email) && token !== undefined) return decodeURIComponent(token);
    await sleep(500);
  }
  throw new Error("no mail came");
}

async function signUp(): Promise<void> {
  right(await api.POST("/api/auth/signup", { body: { email, name: "Ada" } }));
  const token = await mailedToken();
  const profile = right(await api.POST("/api/auth/signup/complete", { body: { token, password: PASSWORD } }));
  assert.equal(profile.email, email);
  assert.equal(profile.role, "user");
}

async function signIn(): Promise<void> {
  const refused = await api.POST("/api/auth/login", { body: { email, password: "not the password" } });
  assert.equal(wrong(refused, 401).code, "unauthorized");
  const answer = right(await api.POST("/api/auth/login", { body: { email, password: PASSWORD } }));
  switch (answer.kind) {
    case "signedIn":
      sessions.set(answer);
      break;
    case "mfaRequired":
      assert.fail(`nobody set ${answer.method} up`);
  }
  const session = right(await api.GET("/api/auth/session"));
  assert.deepEqual([session.email, session.emailVerified, session.organizationId ?? null], [email, true, null]);
}

/** The access token stops counting; the call that meets that does not notice. */
async function refresh(): Promise<void> {
  const before = sessions.get();
  assert.ok(before);
  sessions.set({ ...before, accessToken: before.accessToken.replace(/\..*\./, ".e30.") });
  const lists = await Promise.all([api.GET("/api/auth/sessions"), api.GET("/api/auth/mfa/status")]);
  assert.equal(right(lists[0]).sessions.length, 1, "two calls, one refresh, one session");
  assert.equal(right(lists[1]).enabled, false);
  assert.notEqual(sessions.get()?.refreshToken, before.refreshToken);
}

async function browse(): Promise<Prompt> {
  const list = (from: { cursor?: string }) => api.GET("/api/prompts", { params: { query: { limit: 50, ...from } } });
  const ids = new Set<string>();
  let total = 0;
  for await (const page of pages(async (from) => right(await list(from)))) {
    page.prompts.forEach((prompt) => ids.add(prompt.id));
    total = page.total;
  }
  assert.equal(ids.size, total, "every prompt once");
  assert.ok(total > 100);

  const found = right(await api.GET("/api/prompts", { params: { query: { search: "bug hypotheses", sort: "popular" } } }));
  const first = found.prompts[0];
  assert.ok(first?.slug && first.content === undefined, "lists have no content");
  const answer = await api.GET("/api/prompts/{id}", { params: { path: { id: first.slug } } });
  const prompt = right(answer);
  assert.ok(prompt.content && answer.response.headers.get("etag"));
  const absent = await api.GET("/api/prompts/{id}", { params: { path: { id: "no-such-prompt" } } });
  assert.equal(wrong(absent, 404).code, "not_found");

  const patterns = right(await api.GET("/api/patterns", { params: { query: { limit: 100 } } }));
  const pattern = right(await api.GET("/api/patterns/{id}", { params: { path: { id: patterns.patterns[0]?.id ?? "" } } }));
  assert.ok(pattern.howItWorks && pattern.example?.before);
  const resources = right(await api.GET("/api/learning", { params: { query: { level: "beginner" } } }));
  const slug = resources.resources[0]?.slug ?? "";
  assert.ok(right(await api.GET("/api/learning/{slug}", { params: { path: { slug } } })).seo?.metaTitle);
  assert.ok(right(await api.GET("/api/stats")).prompts.total > 0);
  return prompt;
}

async function save(prompt: Prompt): Promise<void> {
  const { id, title, content } = prompt;
  const view = right(await api.POST("/api/prompts/{id}/view", { params: { path: { id } } }));
  assert.equal(view.accepted, 1);
  right(await api.POST("/api/analytics/track", { body: { events: [{ promptId: id, event: "copy" }] } }));
  const body = { promptId: id, originalPromptId: id, title: title ?? "Mine", content: content ?? "…" };
  const kept = right(await api.POST("/api/prompts/collections", { body }));
  const collections = right(await api.GET("/api/prompts/collections"));
  assert.deepEqual(collections.collections.map((one) => one.id), [kept.id]);
  right(await api.DELETE("/api/prompts/collections/{collectionId}", { params: { path: { collectionId: kept.id } } }));

  const fields = { title: `Of a life, ${email}`, content: "Tell {{name}} about it, in one sentence.", tags: ["life"] };
  const created = await api.POST("/api/prompts", { body: fields });
  const own = right(created);
  assert.equal(own.isPublic, false);
  const path = { id: own.id };
  const tag = created.response.headers.get("etag") ?? "";
  const change = (tag: string) =>
    api.PATCH("/api/prompts/{id}", { params: { path, header: { "if-match": tag } }, body: { role: "writer" } });
  assert.equal(right(await change(tag)).role, "writer");
  assert.equal(wrong(await change(tag), 412).code, "changed_meanwhile");
  right(await api.DELETE("/api/prompts/{id}", { params: { path } }));
}

async function run(): Promise<void> {
  const body = {
    toolId: "prompt-tester",
    promptHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    provider: "openai",
    model: "gpt-4o",
    promptTokens: 1000,
    maxCompletionTokens: 500,
  };
  const { runId, status } = right(await api.POST("/api/workbench/runs", { body }));
  assert.equal(status, "pending");
  const params = { path: { runId } };
  const end = { status: "success" as const, promptTokens: 1000, completionTokens: 300, latencyMs: 1200, output: "Done." };
  const ended = right(await api.POST("/api/workbench/runs/{runId}/complete", { params, body: end }));
  assert.equal(ended.output, "Done.");
  assert.ok((ended.costMicros ?? 0) > 0);
}

async function reportUsage(): Promise<void> {
  const call = { provider: "openai", model: "gpt-4o", promptTokens: 1200, completionTokens: 400 };
  const limits = right(await api.GET("/api/ai/usage/limits", { params: { query: call } }));
  assert.ok(limits.call?.fits && limits.requestsToday.left > 0);
  const made = right(await api.POST("/api/api-keys", { body: { name: "Of a life", scopes: ["usage:write"] } }));
  const records = [{ ...call, latencyMs: 900, success: true }];
  const headers = { authorization: `Bearer ${made.key}` };
  const accepted = right(await api.POST("/api/ai/usage", { headers, body: { records } }));
  assert.deepEqual([accepted.accepted, accepted.flagged], [1, []]);
  const invalid = await api.POST("/api/ai/usage", { body: { records: [{ ...call, latencyMs: -1, success: true }] } });
  assert.equal(wrong(invalid, 422).errors?.[0]?.field, "records[0].latencyMs");

  const revoked = right(await api.POST("/api/api-keys/{keyId}/revoke", { params: { path: { keyId: made.id } } }));
  assert.equal(revoked.status, "revoked");
  wrong(await api.POST("/api/ai/usage", { headers, body: { records } }), 401);
}

async function signOut(): Promise<void> {
  right(await api.POST("/api/auth/logout"));
  sessions.set(undefined);
  assert.equal(wrong(await api.GET("/api/auth/session"), 401).code, "unauthorized");
}

await signUp();
await signIn();
await refresh();
const prompt = await browse();
await save(prompt);
await run();
await reportUsage();
await signOut();
console.log("a life came to its end");
