# httpx, over HTTP/2 where TLS offers it. Reads and prints as told.ts does.
import base64
import hashlib
import os

import httpx

headers = {"authorization": "Bearer " + os.environ["API_TOKEN"]}
with httpx.Client(base_url=os.environ["API_URL"], headers=headers, http2=True, timeout=60) as client:
    for line in open(os.environ["STEPS"], encoding="utf-8").read().rstrip("\n").split("\n"):
        name, method, path, content_type, body = line.split("\t")
        content = b"a" * int(body[6:]) if body.startswith("bytes:") else body.encode()
        more = {"content-type": content_type} if content_type else {}
        answer = client.request(method, path, headers=more, content=content if body else None)
        of = lambda header: answer.headers.get(header, "")
        told = [name, answer.status_code, answer.http_version, of("content-type"), of("location"), of("x-decision-id")]
        told += [len(answer.content), hashlib.sha256(answer.content).hexdigest()]
        told += [base64.b64encode(answer.content[:16384]).decode()]
        print("\t".join(str(each) for each in told), flush=True)
