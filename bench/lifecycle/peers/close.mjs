// What most Node services do on SIGTERM: stop listening, finish what is open.
import { createServer } from "node:http";
const after = { "/slow": 300, "/long": 3000, "/frozen": 2000 };
let ready = true;
const server = createServer((request, response) => {
  if (request.url === "/readyz") return response.writeHead(ready ? 200 : 503).end("x");
  setTimeout(() => response.end("done"), after[request.url] ?? 0);
});
process.on("SIGTERM", () => {
  ready = false;
  server.close(() => process.exit(0));
});
const [host, port] = process.env.ADDR.split(":");
server.listen(Number(port), host);
