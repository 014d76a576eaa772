// Stands in front of the API as the front end's server does: rewrites by the rules that `cargo local rewrites next`
// prints (standard input), and answers what is the front end's by itself. Prints its address.
import { createServer, request } from "node:http";
import { text } from "node:stream/consumers";
import { compile, match } from "path-to-regexp";

const { rules, api, secret } = JSON.parse(await text(process.stdin));
process.env.API_URL = api;
const { beforeFiles } = await new Function(`return { ${rules} }.rewrites()`)();
// The matcher that Next.js has built in.
const patterns = beforeFiles.map(({ source, destination }) => {
  const path = destination.slice(api.length);
  return { find: match(source, { strict: true }), target: compile(path) };
});

const server = createServer((asked, answer) => {
  const url = new URL(asked.url, "http://front-end");
  for (const { find, target: path } of patterns) {
    const found = find(url.pathname);
    if (!found) continue;
    const target = api + path(found.params);
    const headers = { ...asked.headers, host: new URL(target).host, "x-proxy-secret": secret, "x-forwarded-for": asked.socket.remoteAddress };
    const onward = request(target + url.search, { method: asked.method, headers }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    onward.on("error", () => answer.writeHead(502).end());
    asked.pipe(onward);
    return;
  }
  answer.writeHead(200, { "content-type": "text/plain" }).end("the front end");
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
