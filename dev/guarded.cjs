// Preloaded into Azurite: refuses requests that would do harm.
// - Those that name another host: a page in a browser can reach loopback under a name of its own (DNS rebinding),
//   and then read and write as a page of Azurite's.
// - Blobs whose names XML cannot hold: Azurite answers 500 to each listing of their container, also to the sweep's.
//   Azure lists them encoded.
const http = require("http");
const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?$/i;
const NOT_XML = /%(0[0-8bcef]|1[0-9a-f]|ef%bf%b[ef])/i;

const problem = ({ method, url, headers }) => {
  if (!LOOPBACK.test(headers.host ?? "")) return "421 Misdirected Request";
  if (method === "PUT" && NOT_XML.test(url.split("?")[0])) return "400 Bad Request";
  return null;
};

// Not listeners of "request" alone: a request can also arrive as "checkContinue", "upgrade" or "connect".
http.Server.prototype.emit = function (event, request, ...rest) {
  const status = request instanceof http.IncomingMessage && problem(request);
  if (status) {
    request.socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    return true;
  }
  return Object.getPrototypeOf(http.Server.prototype).emit.call(this, event, request, ...rest);
};
