"""Starts MiniStack, the emulator of AWS, with what its version lacks. The version is pinned, because
this reaches into it."""
import json
import socketserver
import time
from pathlib import Path

# Small answers at once, instead of after the network stack's 40 ms of waiting for more.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

from ministack.core import lambda_runtime  # noqa: E402
from ministack.services import lambda_svc, sqs  # noqa: E402

# After an invocation it waits for a first log line: 2 ms instead of up to 100.
_drain = lambda_runtime.Worker._drain_stderr_bounded


def _drain_quickly(self, first_line_wait=0.002, idle_confirm=0.001, hard_cap=0.25):
    return _drain(self, first_line_wait, idle_confirm, hard_cap)


lambda_runtime.Worker._drain_stderr_bounded = _drain_quickly


# Event source mappings take batches of up to 10,000, not 10.
def _receive(queue_url, max_number):
    with sqs._queues_lock:
        queue = sqs._get_q(queue_url)
        sqs._expire_retained(queue)
        sqs._dlq_sweep(queue)
        visibility = int(queue["attributes"].get("VisibilityTimeout", "30"))
        return sqs._collect_msgs(queue, int(max_number or 1), visibility)


sqs._receive_messages_for_esm = _receive


# The extensions API, as far as a function needs it to be told of its end: register, then wait.
def _with_extensions(worker_class):
    build = worker_class._build_handler_class

    def build_with_extensions(self, generation, pending):
        base = build(self, generation, pending)
        worker = self

        class Handler(base):
            def do_POST(self):
                if not self.path.endswith("/extension/register"):
                    return super().do_POST()
                self._read_body()
                body = json.dumps({"functionName": worker.func_name, "functionVersion": "$LATEST", "handler": "bootstrap"}).encode()
                self.send_response(200)
                self.send_header("Lambda-Extension-Identifier", "internal")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if not self.path.endswith("/extension/event/next"):
                    return super().do_GET()
                while not worker._stopping and generation == worker._generation:
                    time.sleep(0.5)
                self._stopped()

        return Handler

    worker_class._build_handler_class = build_with_extensions


for candidate in vars(lambda_runtime).values():
    if isinstance(candidate, type) and "_build_handler_class" in vars(candidate):
        _with_extensions(candidate)

# The functions' code is read where `cargo local` packs it: to upload half a gigabyte took a third of a start.
def _packed(bucket, key, version_id=None):
    return (Path(__file__).parents[2] / ".local/functions" / Path(*Path(key).parts[1:])).read_bytes()


lambda_svc._fetch_code_from_s3 = _packed

from ministack.app import main  # noqa: E402

main()
