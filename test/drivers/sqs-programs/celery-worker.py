"""Celery over kombu: a worker that takes two tasks from a queue, and whoever sends them."""
import json
import os
import threading

from celery import Celery

endpoint = os.environ["AWS_ENDPOINT_URL_SQS"]
url = f"{endpoint}/000000000000/tasks"
app = Celery("agent", broker="sqs://")
app.conf.update(
    broker_transport_options={"region": "us-east-1", "predefined_queues": {"celery": {"url": url}}, "wait_time_seconds": 1},
    task_default_queue="celery",
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
)
seen = []
enough = threading.Event()


@app.task(name="reconcile")
def reconcile(number):
    seen.append(number)
    if len(seen) == 2:
        enough.set()


worker = app.Worker(pool="solo", without_gossip=True, without_mingle=True, without_heartbeat=True, quiet=True)
threading.Thread(target=worker.start, daemon=True).start()
for number in (1, 2):
    reconcile.delay(number)
enough.wait(60)
print(json.dumps({"step": "celery", "seen": sorted(seen)}), flush=True)
os._exit(0)
