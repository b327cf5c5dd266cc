# Requests that schemathesis makes from the bank's OpenAPI description, sent to the API and through the gateway: one line
# of JSON for each, with both answers.
import base64
import json
import os
import sys

import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Unsatisfiable

document, many = sys.argv[1], int(sys.argv[2])
schema = schemathesis.openapi.from_path(document)
direct, gateway = os.environ["DIRECT_URL"], os.environ["API_URL"]
token = {"Authorization": "Bearer " + os.environ["API_TOKEN"]}


def told(answer):
    body = answer.content if isinstance(answer.content, bytes) else answer.content.encode()
    names = {name.lower(): values for name, values in answer.headers.items()}
    of = lambda name: (names.get(name) or [""])[0]
    return [answer.status_code, of("content-type"), of("x-decision-id"), base64.b64encode(body).decode()]


def run(operation, mode):
    @seed(8)
    @settings(max_examples=many, deadline=None, database=None, phases=[Phase.generate], verbosity=Verbosity.quiet,
              suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case):
        line = {"operation": operation.label, "mode": mode.value}
        try:
            line["direct"] = told(case.call(base_url=direct))
            line["through"] = told(case.call(base_url=gateway, headers=token))
        except Exception as error:  # what the client itself can't send, to neither
            line["unsent"] = type(error).__name__
        print(json.dumps(line), flush=True)

    try:
        each()
    except Unsatisfiable:  # nothing can be wrong with what has no parameters
        pass


for result in schema.get_all_operations():
    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
        run(result.ok(), mode)
