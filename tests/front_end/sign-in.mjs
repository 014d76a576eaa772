// Signs in at Auth.js with the shipped `authorize` and `jwt`. Standard input: {secret, cookie, email, password, code};
// output: {cookie}, the session's as a browser sends it, or {error}.
import { Auth } from "@auth/core";
import Credentials from "@auth/core/providers/credentials";
import { text } from "node:stream/consumers";
import { authorize, jwt } from "./auth.mjs";

const { secret, cookie: name, email, password, code } = JSON.parse(await text(process.stdin));
const config = {
  secret,
  trustHost: true,
  basePath: "/api/auth",
  session: { strategy: "jwt" },
  providers: [Credentials({ credentials: { email: {}, password: {}, code: {} }, authorize })],
  callbacks: { jwt },
  cookies: { sessionToken: { name, options: { httpOnly: true, sameSite: "lax", path: "/", secure: false } } },
  logger: { error() {}, warn() {}, debug() {} },
};
const jar = new Map();
async function ask(path, init = {}) {
  const headers = { ...init.headers, cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") };
  const answer = await Auth(new Request(`http://127.0.0.1:3100${path}`, { ...init, headers }), config);
  for (const line of answer.headers.getSetCookie()) {
    const [pair] = line.split(";");
    jar.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
  }
  return answer;
}
const { csrfToken } = await (await ask("/api/auth/csrf")).json();
const body = new URLSearchParams({ csrfToken, email, password, ...(code ? { code } : {}) });
await ask("/api/auth/callback/credentials", { method: "POST", body, headers: { "content-type": "application/x-www-form-urlencoded" } });
const session = [...jar].filter(([found]) => found === name || found.startsWith(`${name}.`));
const sent = session.map(([name, value]) => `${name}=${value}`).join("; ");
console.log(JSON.stringify(sent ? { cookie: sent } : { error: "refused" }));
