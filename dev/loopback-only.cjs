// Preloaded into Azurite: refuses requests that name another host. A page in a browser can reach loopback under a
// name of its own (DNS rebinding), and then read and write as a page of Azurite's.
const http = require("http");
const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?$/i;

// Not listeners of "request" alone: a request can also arrive as "checkContinue", "upgrade" or "connect".
http.Server.prototype.emit = function (event, request, ...rest) {
  if (request instanceof http.IncomingMessage && !LOOPBACK.test(request.headers.host ?? "")) {
    request.socket.end("HTTP/1.1 421 Misdirected Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    return true;
  }
  return Object.getPrototypeOf(http.Server.prototype).emit.call(this, event, request, ...rest);
};
