// Makes session cookies as Auth.js does. Standard input: [{secret, cookie, version, claims, maxAge}, …]; output: as many texts.
import { encode } from "@auth/core/jwt";
import hkdf from "@panva/hkdf";
import { EncryptJWT } from "jose";
import { text } from "node:stream/consumers";

/** As `next-auth` 4 does. */
async function encodeVersion4({ secret, token, maxAge }) {
  const key = await hkdf("sha256", secret, "", "NextAuth.js Generated Encryption Key", 32);
  const now = Math.floor(Date.now() / 1000);
  const made = new EncryptJWT(token).setProtectedHeader({ alg: "dir", enc: "A256GCM" });
  return made.setIssuedAt().setExpirationTime(now + maxAge).setJti(crypto.randomUUID()).encrypt(key);
}

const wanted = JSON.parse(await text(process.stdin));
const made = wanted.map(({ secret, cookie, version, claims, maxAge = 3600 }) =>
  version === 4
    ? encodeVersion4({ secret, token: claims, maxAge })
    : encode({ secret, salt: cookie, token: claims, maxAge }));
console.log(JSON.stringify(await Promise.all(made)));
