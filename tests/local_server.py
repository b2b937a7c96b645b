"""A server on this computer that cuts, lies and stays mute, in place of the world."""

import http.server
import threading


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, and ranges of them; the first `cuts` answers break off half-way, `asked` records each request.

    marked: with a version of the file, as most servers do. ranges: whether parts of a file are served.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cuts, self.asked, self.headers = {}, 0, [], {}
        self.marked = self.ranges = True
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()

    def url(self, name=""):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name, asked = self.path.lstrip("/"), self.headers.get("Range")
        self.server.asked.append((name, asked))
        body = self.server.files.get(name)
        if body is None:
            return self.send_error(404)
        same = self.headers["If-Range"] == ('"mark"' if self.server.marked else None)
        start = int(asked.split("=")[1].rstrip("-")) if asked and same and self.server.ranges else 0
        self.send_response(206 if start else 200)
        if self.server.marked:
            self.send_header("ETag", '"mark"')
        self.send_header("Content-Length", str(len(body) - start))
        for header, value in self.server.headers.items():
            self.send_header(header, value)
        self.end_headers()
        part = body[start:]
        if self.server.cuts:
            self.server.cuts -= 1
            part = part[:len(part) // 2]
        self.wfile.write(part)
        self.close_connection = True

    def do_HEAD(self):
        body = self.server.files.get(self.path.lstrip("/"))
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()

    def log_message(self, *_):
        pass
