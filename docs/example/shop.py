"""A shop with one product and no database, to try `stampede check` on. Without --fixed it sells the last unit twice."""
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIXED = "--fixed" in sys.argv
lock = threading.Lock()
stock = {}


def reserve(product, units):
    available = stock[product]["available"]
    if available < units:
        return 409, {"error": "sold out"}
    time.sleep(0.0005)  # where a real shop asks its database
    stock[product]["available"] = available - units
    stock[product]["reserved"] += units
    return 201, {}


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {})
        self.answer(200, stock[self.path.split("/")[2]])

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        if self.path == "/products":
            product = f"p{len(stock) + 1}"
            stock[product] = {"available": body["units"], "reserved": 0}
            return self.answer(201, {"id": product})
        product = self.path.split("/")[2]
        if FIXED:
            with lock:
                return self.answer(*reserve(product, body["units"]))
        self.answer(*reserve(product, body["units"]))

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
