// Stands in front of the API as the front end's server does: rewrites by the rules that `cargo local rewrites next`
// prints (standard input), and answers what is the front end's by itself. Prints its address.
import { createServer, request } from "node:http";
import { text } from "node:stream/consumers";

const { rules, api, secret } = JSON.parse(await text(process.stdin));
process.env.API_URL = api;
const { beforeFiles } = await new Function(`return { ${rules} }.rewrites()`)();
const patterns = beforeFiles.map(({ source, destination }) => {
  const names = [];
  // A name takes what its rule says, else a segment.
  const pattern = source.replace(/:(\w+)(\((?:[^()]|\([^()]*(?:\([^()]*\)[^()]*)*\))*\))?/g, (_, name, rule) => {
    names.push(name);
    return rule ?? "([^/]+)";
  });
  return { pattern: new RegExp(`^${pattern}$`), names, destination };
});

const server = createServer((asked, answer) => {
  const url = new URL(asked.url, "http://front-end");
  for (const { pattern, names, destination } of patterns) {
    const found = pattern.exec(url.pathname);
    if (!found) continue;
    const target = names.reduce((target, name, index) => target.replace(`:${name}`, found[index + 1]), destination);
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
