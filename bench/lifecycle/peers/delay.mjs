// The careful Node service: unready first, serve on for two seconds telling clients to go, then stop listening.
import { createServer } from "node:http";
const after = { "/slow": 300, "/long": 3000, "/frozen": 2000 };
let ready = true;
const server = createServer((request, response) => {
  if (!ready) response.setHeader("connection", "close");
  if (request.url === "/readyz") return response.writeHead(ready ? 200 : 503).end("x");
  setTimeout(() => response.end("done"), after[request.url] ?? 0);
});
process.on("SIGTERM", () => {
  ready = false;
  setTimeout(() => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  }, 2000);
});
const [host, port] = process.env.ADDR.split(":");
server.listen(Number(port), host);
