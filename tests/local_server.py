"""A server on this computer that cuts, lies and stays mute, in place of the world."""

import http.server
import threading


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, and ranges of them; the first `cuts` answers break off half-way, `asked` records each request."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cuts, self.asked, self.headers = {}, 0, [], {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name=""):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name, asked = self.path.lstrip("/"), self.headers.get("Range")
        self.server.asked.append((name, asked))
        body = self.server.files.get(name)
        if body is None:
            return self.send_error(404)
        start = int(asked.split("=")[1].rstrip("-")) if asked and self.headers["If-Range"] == '"mark"' else 0
        self.send_response(206 if start else 200)
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

    def log_message(self, *_):
        pass
