// For the front end's Auth.js (`next-auth` 5): passwords are checked by this API, and a session keeps when it began.
//
//   import { authorize, jwt } from "./auth.mjs";
//   NextAuth({ providers: [Credentials({ credentials: { email: {}, password: {}, code: {} }, authorize })], callbacks: { jwt }, … })
//
// Environment of the front end's server: API_URL (this API), PROXY_SECRET (the stack's secret `proxy-secret`). Its host must set or append `x-forwarded-for`.

/** The account behind an address and a password, and the code of its second factor where it has one; null for nobody. */
export async function authorize({ email, password, code }, request) {
  let answer = await post("/api/auth/login", { email, password }, request);
  if (answer?.mfaRequired && !code && answer.method !== "totp") {
    await post("/api/auth/mfa/send-code", { challenge: answer.challenge }, request);
  }
  if (answer?.mfaRequired) {
    answer = code ? await post("/api/auth/mfa/verify", { challenge: answer.challenge, code }, request) : null;
  }
  if (!answer?.user) return null;
  const { id, name, email: address, role, organizationId } = answer.user;
  return { id, name, email: address, role, organizationId };
}

/** Of a session that is renewed, the time of its sign-in stays: a change of the password ends those from before. */
export function jwt({ token, user }) {
  if (user) {
    const { id, role, organizationId } = user;
    Object.assign(token, { id, role, organizationId, auth_time: Date.now() / 1000 });
  }
  token.auth_time ??= token.iat; // From before this callback.
  return token;
}

/** What the API answers; null when it refuses. While it is away, an error: nobody's password is wrong then. */
async function post(path, body, request) {
  const headers = { "content-type": "application/json" };
  // The last one is what the front end's own host saw; whoever calls may have written the others.
  const caller = request?.headers?.get("x-forwarded-for")?.split(",").pop()?.trim();
  if (caller && process.env.PROXY_SECRET) {
    Object.assign(headers, { "x-proxy-secret": process.env.PROXY_SECRET, "x-forwarded-for": caller });
  }
  const answer = await fetch(new URL(path, process.env.API_URL), { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.status >= 500) throw new Error(`sign-in is not available: ${answer.status}`);
  return answer.ok ? answer.json() : null;
}
