// Node's own HTTP/2 server without TLS: on SIGTERM it stops listening and closes each session, which waits for its streams.
import { createServer } from "node:http2";
const after = { "/slow": 300, "/long": 3000, "/frozen": 2000 };
const sessions = new Set();
const server = createServer((request, response) => {
  setTimeout(() => response.end("done"), after[request.url] ?? 0);
});
server.on("session", (session) => {
  sessions.add(session);
  session.on("close", () => sessions.delete(session));
});
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  for (const session of sessions) session.close();
});
const [host, port] = process.env.ADDR.split(":");
server.listen(Number(port), host);
