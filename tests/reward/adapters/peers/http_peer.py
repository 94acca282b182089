"""An HTTP server of scores, on a loopback port that it writes to the file named as its last argument.

/rows answers as MolScore's servers do (a list with one object for each molecule), /columns with lists by
name; other paths misbehave. With --certificate and --key it is an https server, with --ca it wants a
client's certificate, with --token a bearer token.
"""

import argparse
import http.server
import json
import os
import ssl
import time

try:
    from rdkit import Chem
    from rdkit.Chem import QED
except ImportError:
    QED = None

connections = 0


def qed(smiles):
    if QED is None:
        return None
    molecule = Chem.MolFromSmiles(smiles)
    return None if molecule is None else QED.qed(molecule)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        global connections
        connections += 1
        super().setup()

    def answer(self, body, status=200, headers=()):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.token and self.headers["Authorization"] != f"Bearer {self.server.token}":
            self.answer(b"who are you?", 401)
            return
        objects = json.loads(body)[self.server.key]
        lengths = [len(item) for item in objects]
        if self.path == "/rows":
            self.answer([{self.server.key: item, "qed": qed(item), "length": len(item)} for item in objects])
        elif self.path == "/columns":
            self.answer({"qed": [qed(item) for item in objects], "length": lengths})
        elif self.path == "/connections":
            self.answer({"length": [connections] * len(objects)})
        elif self.path == "/nan":
            self.answer({"length": [float("nan"), float("inf"), 3][: len(objects)]})
        elif self.path == "/gaps":
            self.answer([{"length": 1}, {}, {"length": "long"}][: len(objects)])
        elif self.path == "/short":
            self.answer({"length": lengths[1:]})
        elif self.path == "/short-rows":
            self.answer([{"length": 1}] * (len(objects) - 1))
        elif self.path == "/garbage":
            self.answer(b"<html>busy</html>")
        elif self.path == "/flood":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b" " * (1 << 20))
            except OSError:
                self.close_connection = True
        elif self.path == "/hang":
            time.sleep(3600)
        elif self.path == "/half":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"length": [')
            self.close_connection = True
        elif self.path == "/redirect":
            self.answer(b"", 307, [("Location", "/columns")])
        else:
            self.answer(b"as you wish", int(self.path.removeprefix("/status/")))

    def log_message(self, *_):
        pass


parser = argparse.ArgumentParser()
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--ca")
parser.add_argument("--token")
parser.add_argument("--objects-key", default="smiles")
parser.add_argument("port_file")
arguments = parser.parse_args()

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
server.token = arguments.token
server.key = arguments.objects_key
if arguments.certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate, arguments.key)
    if arguments.ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(arguments.ca)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
with open(arguments.port_file + ".new", "w") as file:
    file.write(str(server.server_address[1]))
os.rename(arguments.port_file + ".new", arguments.port_file)
server.serve_forever()
