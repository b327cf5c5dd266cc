#!/usr/bin/env python3
"""A second verifier of a Countersign export bundle, from docs/evidence-bundle.md alone: Python, standard library.

usage: verify-bundle.py BUNDLE [--log-key NAME+ID+KEY] [--witness-key NAME+ID+KEY]... [--export-key NAME+ID+KEY]

It shares no code with the gateway; Ed25519, checkpoints, keys and payloads are read by verify.py beside it. It checks the
manifest and its signature, the digest of every file and that there is no other, the checkpoint and its signature, each
record's bytes and place under the signed root, payloads, recordings, and the counts. What it leaves to
`countersign evidence verify`: whether the files that are derived from the records (OCSF, OSCAL, VERIFY.md) are what they
derive to; the manifest's signature vouches for those.
exit: 0 nothing found, 1 tampered, 2 incomplete, 3 can't be verified
"""
import argparse
import base64
import hashlib
import json
import os
import pathlib
import re
import sys

from verify import (COSIGNATURE, ED25519, FOUND, Keys, cosigned_at, decode, ed25519_verifies, node, payload_kind,
                    read_checkpoint, read_key)

MANIFEST = 'manifest.dsse.json'
PAYLOAD_TYPE = 'application/vnd.in-toto+json'
REQUIRED = {'checkpoint.txt', 'records.ndjson', 'proofs/context.ndjson', 'proofs/hashes.txt', 'ocsf.ndjson',
            'oscal/assessment-results.json', 'VERIFY.md'}
CONTEXT = {'key.rotated', 'key.compromised', 'policy.activated', 'policy.rolled_back', 'policy.emergency_activated',
           'retention.applied', 'approval.granted'}
HEX = re.compile(r'[0-9a-f]{64}')
NO_LEAF = '0' * 64
UNPROVED = 'the records do not lead to the signed root'


class Tampered(Exception):
    """Where, and what is wrong there. Nothing behind it can be judged."""


def canonical(value):
    """RFC 8785, for the values that a manifest and an index hold: no fractions, names in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False)


def read_manifest(bundle, key):
    path = bundle / MANIFEST
    if not path.is_file():
        raise Tampered(MANIFEST, 'the manifest is gone')
    try:
        text = path.read_bytes().decode()
        envelope = json.loads(text)
        payload = decode(envelope['payload'])
        signatures = [(each['keyid'], decode(each['sig'])) for each in envelope['signatures']]
        again = {'payload': envelope['payload'], 'payloadType': PAYLOAD_TYPE,
                 'signatures': [{'keyid': by, 'sig': base64.b64encode(sig).decode()} for by, sig in signatures]}
        statement = json.loads(payload)
        files = {each['name']: each['digest']['sha256'] for each in statement['subject']}
        kind, predicate = statement['predicateType'], statement['predicate']
        known = predicate['bundle'] == 1 and kind == 'https://countersign.dev/evidence-export/v1'
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Tampered(MANIFEST, f'not a manifest: {error}') from error
    if canonical(again) + '\n' != text or canonical(statement) != payload.decode() or len(signatures) > 1:
        raise Tampered(MANIFEST, 'not a manifest: another spelling')
    if key and not any(signature_holds(payload, each, key) for each in signatures):
        FOUND.note(1, MANIFEST, 'signed with another key, or changed')
    return (files, predicate) if known else (None, None)


def signature_holds(payload, signature, key):
    """DSSE: what is signed is the type and the payload, each behind its length."""
    message = f'DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} '.encode() + payload
    return signature[0] == f'{key.name}+{key.id.hex()}' and ed25519_verifies(key.public, message, signature[1])


def check_files(bundle, files):
    present = set()
    for folder, folders, names in os.walk(bundle):
        here = pathlib.Path(folder)
        for name in names + folders:
            if (here / name).is_symlink() or not ((here / name).is_file() or (here / name).is_dir()):
                FOUND.note(1, (here / name).relative_to(bundle), 'not a file')
        if not names and not folders:
            FOUND.note(1, here.relative_to(bundle), 'a folder that no export makes')
        present |= {(here / name).relative_to(bundle).as_posix() for name in names}
    for name in sorted(present - set(files) - {MANIFEST}):
        FOUND.note(1, name, 'a file that the manifest does not name')
    for name in sorted(REQUIRED - set(files)):
        FOUND.note(1, MANIFEST, f'does not name {name}')
    for name, digest in files.items():
        if name not in present:
            FOUND.note(1, name, 'the file is gone')
        elif digest_of(bundle / name) != digest:
            FOUND.note(1, name, 'the file was changed')


def digest_of(path):
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_signed(bundle, log):
    checkpoint = read_checkpoint((bundle / 'checkpoint.txt').read_bytes().decode())
    if checkpoint is None:
        raise Tampered('checkpoint.txt', 'not a checkpoint')
    root = base64.b64encode(checkpoint.root).decode()
    if (checkpoint.origin, checkpoint.size, root) != (log['origin'], log['size'], log['root']):
        FOUND.note(1, 'checkpoint.txt', 'not the checkpoint that the manifest names')
    return checkpoint


def check_signatures(checkpoint, keys, witnesses):
    """By the key that was the log's at this size, as its own records tell, and by the witnesses that are known."""
    wrong = keys.judge(checkpoint)
    if wrong:
        FOUND.note(1, 'checkpoint.txt', wrong)
    witnessed = any([cosigned_at(checkpoint.note, key) for key in witnesses])
    for key in witnesses:
        mine = [(name, data) for name, data in checkpoint.note.signatures if name == key.name and data[:4] == key.id]
        if any(cosigned_at(checkpoint.note._replace(signatures=[each]), key) is None for each in mine):
            FOUND.note(1, 'checkpoint.txt', 'a witness’s name over a signature that is not its own')
    if keys.untrusted_from(checkpoint) is not None and not witnessed:
        FOUND.note(1, 'checkpoint.txt', 'signed with a key that was compromised')
    if witnesses and not witnessed:
        FOUND.note(2, 'checkpoint.txt', 'no witness that is known has signed this checkpoint')


def lines(bundle, name):
    try:
        with (bundle / name).open('rb') as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b'\n'):
                    raise Tampered(f'{name}:{number}', 'the line was changed')
                yield number, line[:-1]
    except FileNotFoundError as error:
        raise Tampered(name, 'the file is gone') from error


RECORD = re.compile(rb'\{"index":(0|[1-9]\d{0,15}),"leaf":"(?P<leaf>[0-9a-f]{64})","record":(?P<entry>\{.*\})', re.S)
FRAME = re.compile(rb'\{"frame":(?P<entry>\{.*\}),"leaf":"(?P<leaf>[0-9a-f]{64})"', re.S)


def take_apart(where, shape, line):
    """The entry ends where its leaf hash says so; what stands beside it may be whole, erased or changed."""
    ends = [match.start() for match in re.finditer(rb',"salted":', line)]
    for end in ends + [len(line) - 1]:
        match = shape.fullmatch(line, 0, end)
        if line[-1:] == b'}' and match and hashlib.sha256(b'\0' + match['entry']).hexdigest() == match['leaf'].decode():
            beside = None if end == len(line) - 1 else line[end + 10 : -1]
            entry = json.loads(match['entry'])
            return match, entry, payload_kind(entry.get('payload'), beside)
    raise Tampered(where, 'the line was changed')


class Payloads:
    """Payloads that are gone or changed, against the retention.applied records that say so."""

    def __init__(self):
        self.applied, self.found = [], []

    def add(self, where, kind, entry, state):
        if state != 'kept':
            self.found.append((where, kind, entry['writer_id'], entry['seq'], state))

    def judge(self):
        for where, kind, writer, seq, state in self.found:
            named = any(a['kind'] == kind and a['writer'] == writer and a['from'] <= seq <= a['to'] for a in self.applied)
            if state == 'damaged' and not named:
                FOUND.note(1, where, 'the payload was changed')
            elif state == 'damaged':
                FOUND.note(2, where, 'the erasing of a payload was interrupted when this was exported')
            elif not named:
                FOUND.note(2, where, 'payloads are erased that no retention.applied under this checkpoint names')


class Selection:
    """Which records a query takes: by what they carry, or because they belong to one that was taken."""

    def __init__(self, query):
        self.query, self.decisions, self.sessions = query, set(), set()
        self.filtered = any(query[name] is not None for name in ('agent', 'control', 'session'))

    def takes(self, record):
        decision, session, event = record.get('decision'), record.get('session'), record['event']
        agent = record.get('principal', {}).get('id')
        if not self.filtered:
            return True
        if not (decision in self.decisions or self.carries(record, agent, session)):
            return False
        settled = (record.get('outcome') or {}).get('status') in ('ok', 'failed')
        if event in ('decision.forward', 'decision.mask', 'decision.hold') and not settled:
            self.decisions.add(decision)
        elif event.startswith(('decision.', 'outcome.')):
            self.decisions.discard(decision)
        if event == 'session.closed':
            self.sessions.discard(session)
        elif session and agent == self.query['agent'] and (event == 'session.opened' or event.startswith('decision.')):
            self.sessions.add(session)
        return True

    def carries(self, record, agent, session):
        asked = self.query
        return (asked['session'] in (None, session)
                and (asked['control'] is None or asked['control'] in record.get('controls', []))
                and (asked['agent'] in (None, agent) or session in self.sessions))


class Recordings:
    """Each session's frames are a chain; records name its links, and nothing is left that none names."""

    def __init__(self, bundle, payloads):
        self.bundle, self.payloads, self.writers, self.frames = bundle, payloads, {}, 0

    def add(self, where, record):
        named, session = record.get('recording'), record.get('session')
        if named is None or session is None:
            return
        file = f"recordings/{record['writer_id']}.ndjson"
        reader, chains = self.writers.setdefault(record['writer_id'], (lines(self.bundle, file), {}))
        chain = chains.setdefault(session, {'i': 0, 'head': NO_LEAF, 'named': 0, 'waiting': {}})
        while chain['i'] < named['frames'] and self.read(file, reader, chains):
            pass
        if chain['waiting'].get(named['frames']) != named['head']:
            FOUND.note(1, where, f'names a frame that is not in {file}')
        chain['named'] = max(chain['named'], named['frames'])
        chain['waiting'] = {i: leaf for i, leaf in chain['waiting'].items() if i > named['frames']}

    def read(self, file, reader, chains):
        number, line = next(reader, (None, None))
        if number is None:
            return False
        where = f'{file}:{number}'
        match, frame, state = take_apart(where, FRAME, line)
        chain = chains.setdefault(frame['session'], {'i': 0, 'head': NO_LEAF, 'named': 0, 'waiting': {}})
        if (frame['i'], frame['prev'], f"recordings/{frame['writer_id']}.ndjson") != (chain['i'] + 1, chain['head'], file):
            FOUND.note(1, where, 'does not follow the frame before it')
        self.payloads.add(where, 'frame', frame, state)
        chain['i'], chain['head'] = frame['i'], match['leaf'].decode()
        chain['waiting'][frame['i']] = chain['head']
        self.frames += 1
        return True

    def end(self):
        for writer, (reader, chains) in self.writers.items():
            file = f'recordings/{writer}.ndjson'
            while self.read(file, reader, chains):
                pass
            if any(chain['i'] > chain['named'] for chain in chains.values()):
                FOUND.note(1, file, 'frames that no record here names')


class Records:
    """The records and their context in the order of their leaves, judged one by one as the root asks for them."""

    def __init__(self, bundle, predicate, keys):
        self.bundle, self.query, self.range = bundle, predicate['query'], predicate['range']
        self.selection, self.payloads, self.keys = Selection(predicate['query']), Payloads(), keys
        self.recordings = Recordings(bundle, self.payloads)
        self.chains, self.granted, self.used, self.beside = {}, set(), {}, {}
        self.counts = {'records': 0, 'context': 0, 'events': {}}
        self.expected = self.range['first'] if self.range else -1

    def leaves(self):
        records, context = self.entries('records.ndjson'), self.entries('proofs/context.ndjson')
        record, beside = next(records, None), next(context, None)
        while record or beside:
            if record and not (beside and beside['index'] < record['index']):
                self.judge_record(record)
                yield record
                record = next(records, None)
            else:
                self.judge_context(beside)
                yield beside
                beside = next(context, None)

    def entries(self, name):
        last = -1
        for number, line in lines(self.bundle, name):
            where = f'{name}:{number}'
            match, record, state = take_apart(where, RECORD, line)
            index = int(match[1])
            if index <= last:
                raise Tampered(where, 'not in the log’s order')
            last = index
            yield {'where': where, 'index': index, 'leaf': match['leaf'].decode(), 'record': record, 'state': state,
                   'whole': match.end() == len(line) - 1}

    def judge_record(self, entry):
        where, index, record = entry['where'], entry['index'], entry['record']
        inside = self.range and self.range['first'] <= index <= self.range['last']
        if not self.selection.takes(record) or not inside:
            FOUND.note(1, where, 'a record that was not asked for')
        if not self.selection.filtered:
            if index != self.expected:
                FOUND.note(1, where, 'records of the stretch are missing')
            self.expected = index + 1
            if inside and index in (self.range['first'], self.range['last']) and not self.within(record['ts']):
                FOUND.note(1, where, 'the stretch ends outside the times asked for')
        self.payloads.add(where, 'record', record, entry['state'])
        self.counts['records'] += 1
        self.counts['events'][record['event']] = self.counts['events'].get(record['event'], 0) + 1
        self.judge_both(entry)
        self.recordings.add(where, record)

    def judge_context(self, entry):
        where, index, record = entry['where'], entry['index'], entry['record']
        ends = (self.range['first'] - 1, self.range['last'] + 1) if self.range else ()
        if record['event'] not in CONTEXT and index not in ends:
            FOUND.note(1, where, 'a record that nothing needs')
        if not entry['whole']:
            FOUND.note(1, where, 'the line was changed')
        if index in ends:
            self.beside[index] = record['ts']
        self.counts['context'] += 1
        self.judge_both(entry)

    def judge_both(self, entry):
        where, record = entry['where'], entry['record']
        writer, seq = record['writer_id'], record['seq']
        last, head = self.chains.get(writer, (0, NO_LEAF))
        if record['id'] != f'{writer}:{seq}' or seq <= last or (seq == last + 1 and record['prev'] != head):
            FOUND.note(1, where, 'does not follow its writer’s record before')
        self.chains[writer] = (seq, entry['leaf'])
        if record['event'] == 'retention.applied':
            self.payloads.applied += record['detail']['erased']
        elif record['event'] == 'key.rotated':
            self.keys.rotated(entry['index'], where, record['detail'])
        elif record['event'] == 'key.compromised':
            self.keys.compromised.append((read_key(record['detail']['key'], ED25519), record['detail']['from']))
        approval = record.get('approval', {})
        if record['event'] == 'approval.granted':
            self.granted.add(approval['id'])
        if record['event'] in ('decision.forward', 'decision.mask') and approval.get('state') == 'used':
            if self.used.setdefault(approval['id'], record['decision']) != record['decision']:
                FOUND.note(1, where, 'an approval is used twice')
            if approval['id'] not in self.granted and not self.selection.filtered:
                FOUND.note(2, where, 'an approval is used that is not recorded before')

    def within(self, ts):
        start, end = self.query['from'], self.query['to']
        return (start is None or ts >= start) and (end is None or ts < end)

    def end(self, size):
        if self.query['from'] is None and self.query['to'] is None:
            if self.range != ({'first': 0, 'last': size - 1} if size else None):
                FOUND.note(1, 'records.ndjson', 'not the whole log')
        if self.range:
            if not self.selection.filtered and self.expected != self.range['last'] + 1:
                FOUND.note(1, 'records.ndjson', 'records of the stretch are missing')
            for index in (self.range['first'] - 1, self.range['last'] + 1):
                if 0 <= index < size and (index not in self.beside or self.within(self.beside[index])):
                    FOUND.note(1, 'proofs/context.ndjson', 'nothing shows why the stretch was cut here')
        self.recordings.end()
        self.payloads.judge()


def hashes(bundle):
    for number, line in lines(bundle, 'proofs/hashes.txt'):
        if not HEX.fullmatch(line.decode('latin-1')):
            raise Tampered(f'proofs/hashes.txt:{number}', 'the line was changed')
        yield bytes.fromhex(line.decode())


def root_of(size, leaves, proof):
    """RFC 6962, 2.1, where a subtree without a leaf of ours is the proof's next hash."""
    waiting = [next(leaves, None)]

    def subtree(start, end):
        entry = waiting[0]
        if entry is None or entry['index'] >= end:
            found = next(proof, None)
            if found is None:
                raise Tampered('proofs/hashes.txt', f'{UNPROVED}: hashes are missing')
            return found
        if end - start == 1:
            waiting[0] = next(leaves, None)
            return bytes.fromhex(entry['leaf'])
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        left = subtree(start, middle)
        return node(left, subtree(middle, end))

    found = subtree(0, size) if size else hashlib.sha256(b'').digest()
    if waiting[0] is not None or next(proof, None) is not None:
        raise Tampered('proofs/hashes.txt', f'{UNPROVED}: leaves or hashes are left over')
    return found


def check(bundle, keys, witnesses, export_key):
    files, predicate = read_manifest(bundle, export_key)
    if predicate is None:
        return FOUND.note(3, MANIFEST, 'a manifest that this program does not know')
    check_files(bundle, files)
    log = predicate['log']
    checkpoint = read_signed(bundle, log)
    records = Records(bundle, predicate, keys)
    if base64.b64encode(root_of(log['size'], records.leaves(), hashes(bundle))).decode() != log['root']:
        raise Tampered('proofs/hashes.txt', UNPROVED)
    records.end(log['size'])
    check_signatures(checkpoint, keys, witnesses)
    recordings = records.recordings
    found = {**records.counts, 'frames': recordings.frames, 'recordings': len(recordings.writers)}
    if predicate['counts'] != found:
        FOUND.note(1, MANIFEST, 'the counts are not those of the records')
    named = {f'recordings/{writer}.ndjson' for writer in recordings.writers}
    for name in set(name for name in files if name.startswith('recordings/')) ^ named:
        FOUND.note(1, name, 'no recording that these records name')
    print(f"{log['origin']}: {found['records']} records and {found['context']} beside them lead to the root of {log['size']}; "
          f"{found['frames']} frames; signatures: log {'verified' if keys.given else 'unchecked'}, "
          f"manifest {'verified' if export_key else 'unchecked'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('bundle', type=pathlib.Path)
    parser.add_argument('--log-key')
    parser.add_argument('--witness-key', action='append', default=[])
    parser.add_argument('--export-key')
    asked = parser.parse_args()
    sys.setrecursionlimit(10_000)
    try:
        keys = Keys(asked.log_key and read_key(asked.log_key, ED25519))
        witnesses = [read_key(text, COSIGNATURE) for text in asked.witness_key]
        check(asked.bundle, keys, witnesses, asked.export_key and read_key(asked.export_key, ED25519))
    except Tampered as problem:
        FOUND.note(1, *problem.args)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, RuntimeError) as error:
        FOUND.note(3, asked.bundle, f'the bundle can not be verified: {error!r}')
    code = FOUND.exit_code()
    print(('OK', 'TAMPERED', 'INCOMPLETE', 'CAN NOT VERIFY')[code])
    return code


if __name__ == '__main__':
    sys.exit(main())
