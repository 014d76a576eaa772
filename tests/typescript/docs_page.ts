// The page /api/docs in Chromium: `API_URL`, and an access token of somebody's in `TOKEN`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

import document from "./openapi.json" with { type: "json" };

const { API_URL: api = "", TOKEN: token = "" } = process.env;

interface Message {
  id?: number;
  method?: string;
  params?: unknown;
  result?: Record<string, unknown>;
  error?: { message: string };
  sessionId?: string;
}

/** A browser that is spoken to by a pipe, in the protocol of its developer tools. */
class Browser {
  /** What a developer would see in red. */
  readonly complaints: string[] = [];
  readonly #profile = mkdtempSync(join(tmpdir(), "docs-page-"));
  readonly #process = spawn(
    "chromium",
    ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", `--user-data-dir=${this.#profile}`],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  readonly #waiting = new Map<number, (message: Message) => void>();
  #sent = 0;

  constructor() {
    let rest = "";
    const output = this.#process.stdio[4] as Readable;
    output.setEncoding("utf8").on("data", (text: string) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop() ?? "";
      messages.forEach((message) => this.#hear(JSON.parse(message) as Message));
    });
  }

  #hear(message: Message): void {
    if (message.id !== undefined) this.#waiting.get(message.id)?.(message);
    const { entry, type } = (message.params ?? {}) as { entry?: { level: string }; type?: string };
    const complains =
      message.method === "Runtime.exceptionThrown" ||
      (message.method === "Log.entryAdded" && entry?.level === "error") ||
      (message.method === "Runtime.consoleAPICalled" && (type === "error" || type === "warning"));
    if (complains) this.complaints.push(JSON.stringify(message.params));
  }

  async call(method: string, params: object = {}, sessionId?: string): Promise<Record<string, unknown>> {
    const id = (this.#sent += 1);
    const input = this.#process.stdio[3] as Writable;
    const answer = new Promise<Message>((heard) => this.#waiting.set(id, heard));
    input.write(JSON.stringify({ id, method, params, sessionId }) + "\0");
    const { result, error } = await answer;
    assert.ok(result, `${method}: ${error?.message}`);
    return result;
  }

  /** A new tab, with a storage of its own. */
  async open(url: string): Promise<Tab> {
    const { targetId } = await this.call("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.call("Target.attachToTarget", { targetId, flatten: true });
    const tab = new Tab(this, sessionId as string);
    for (const domain of ["Runtime", "Log", "Page"]) await tab.call(`${domain}.enable`);
    await tab.call("Page.navigate", { url });
    return tab;
  }

  async close(): Promise<void> {
    const closed = new Promise((done) => this.#process.once("exit", done));
    await this.call("Browser.close");
    await closed;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

class Tab {
  constructor(
    private readonly browser: Browser,
    private readonly sessionId: string,
  ) {}

  call(method: string, params: object = {}): Promise<Record<string, unknown>> {
    return this.browser.call(method, params, this.sessionId);
  }

  async evaluate(expression: string): Promise<unknown> {
    const answer = await this.call("Runtime.evaluate", { expression, returnByValue: true });
    return (answer["result"] as { value?: unknown }).value;
  }

  /** The value of an expression, once it is one. */
  async until(what: string, expression: string): Promise<unknown> {
    for (let tries = 0; tries < 240; tries += 1) {
      const value = await this.evaluate(expression).catch(() => undefined);
      if (value) return value;
      await sleep(250);
    }
    const shown = await this.evaluate("document.body.innerText.slice(0, 2000)").catch(String);
    throw new Error(`${what} did not come: ${shown}\n${this.browser.complaints.join("\n")}`);
  }

  async press(selector: string): Promise<void> {
    const found = `document.querySelector(${JSON.stringify(selector)})`;
    await this.until(selector, `${found} && (${found}.click(), true)`);
  }

  /** The answer of an operation that is tried. */
  async try(tag: string, operation: string): Promise<{ status: string; body: string }> {
    const block = `#operations-${tag}-${operation}`;
    const has = (selector: string) => this.evaluate(`Boolean(document.querySelector(${JSON.stringify(selector)}))`);
    // The page's address names what was open, and opens it.
    if (!(await has(block))) await this.press(`#operations-tag-${tag}`);
    if (!(await has(`${block}.is-open`))) await this.press(`${block} .opblock-summary-control`);
    await this.press(`${block} .try-out__btn`);
    await this.press(`${block} .execute`);
    const cell = (name: string) => `document.querySelector("${block} .live-responses-table .response .response-col_${name}")?.innerText`;
    const status = (await this.until("an answer", `${cell("status")}?.match(/[0-9]+/)?.[0]`)) as string;
    return { status, body: String(await this.evaluate(cell("description"))) };
  }
}

/** The page, complete: every tag, in the document's order. */
async function complete(tab: Tab): Promise<void> {
  await tab.until("the page", `document.querySelectorAll(".opblock-tag").length === ${document.tags.length}`);
  const tags = await tab.evaluate(`[...document.querySelectorAll(".opblock-tag")].map((tag) => tag.dataset.tag)`);
  assert.deepEqual(tags, document.tags.map((tag) => tag.name));
}

const browser = new Browser();
try {
  const tab = await browser.open(`${api}/api/docs/`);
  await complete(tab);
  assert.equal((await tab.try("operations", "getHealth")).status, "200");

  await tab.press(".auth-wrapper .authorize");
  await tab.until("the dialogue", `Boolean(document.querySelector(".auth-container input"))`);
  await tab.evaluate(`document.querySelector(".auth-container input").focus()`);
  await tab.call("Input.insertText", { text: token });
  await tab.press(".auth-container .authorize");
  await tab.press(".auth-container .btn-done");
  const session = await tab.try("accounts", "getSession");
  assert.equal(session.status, "200", session.body);
  assert.ok(session.body.includes("emailVerified"), session.body);

  await tab.call("Page.reload");
  await complete(tab);
  await tab.until("the token", `Boolean(document.querySelector(".auth-wrapper .authorize.locked"))`);
  assert.equal((await tab.try("accounts", "getSession")).status, "200", "the tab remembers the token");
  assert.deepEqual(browser.complaints, []);

  const other = await browser.open(`${api}/api/docs`);
  await complete(other);
  assert.deepEqual(browser.complaints, []);
  assert.equal((await other.try("accounts", "getSession")).status, "401", "another tab does not");
  console.log("the page answers");
} finally {
  await browser.close();
}
