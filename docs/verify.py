#!/usr/bin/env python3
"""A second verifier of a Countersign evidence directory, from docs/evidence-format.md alone: Python, standard library.

usage: verify.py DIRECTORY [--log-key NAME+ID+KEY] [--witness-key NAME+ID+KEY]... [--since FILE]

It shares no code with the gateway, and checks what `countersign evidence verify` checks: bytes, hashes and chains of all
records and frames, payloads against their digests, what writers say of each other, outcomes after intents, approvals before
their use, policies before decisions; the tree over the records, its tiles, the checkpoint, the keys that signed it and
the witnesses that did. It keeps every leaf in memory, and it does not know whether a gateway is running.
exit: 0 nothing found, 1 tampered, 2 incomplete, 3 can't be verified
"""
import argparse
import base64
import collections
import datetime
import hashlib
import json
import pathlib
import re
import sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
I = pow(2, (P - 1) // 4, P)


# RFC 8032, 5.1: Ed25519, verification only; nothing here is secret, so nothing has to take the same time.
def recover_x(y, sign):
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * I % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def point(data):
    number = int.from_bytes(data, 'little')
    y, sign = number & (2**255 - 1), number >> 255
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    return ((f - e) * (h - g) % P, (h + g) * (f + e) % P, (h - g) * (h + g) % P, (f - e) * (f + e) % P)


def times(scalar, a):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, a)
        a, scalar = add(a, a), scalar >> 1
    return total


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def ed25519_verifies(public, message, signature):
    a, r = point(public), point(signature[:32])
    s = int.from_bytes(signature[32:], 'little')
    if len(public) != 32 or len(signature) != 64 or a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), 'little') % L
    left, right = times(s, BASE), add(r, times(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


class Findings:
    def __init__(self):
        self.codes = set()

    def note(self, code, where, message):
        self.codes.add(code)
        line = f"{ {1: 'TAMPERED', 2: 'INCOMPLETE', 3: 'CAN NOT VERIFY'}[code] }  {where}  {message}"
        print(''.join(char if char.isprintable() else f'\\u{{{ord(char):x}}}' for char in line))

    def exit_code(self):
        return next((code for code in (1, 3, 2) if code in self.codes), 0)


FOUND = Findings()
NO_LEAF = '0' * 64
FORMATS = (2, 3)
WRITER = re.compile(r'^([A-Za-z0-9][A-Za-z0-9_-]{0,62})\.(\d{13}-[0-9a-f]{12})\.ndjson$')
MAX_LINE = 65_535 + 128 * 1024 + 256


# Lines, entries and payloads.


def split_line(kind, line):
    """Leaf, entry and what stands beside it (None: nothing); the entry ends where its bytes hash to the leaf."""
    ends = [match.start() for match in re.finditer(b',"salted":', line)] + [len(line) - 1]
    for end in ends:
        if kind == 'record':
            match = re.fullmatch(rb'\{"leaf":"([0-9a-f]{64})","record":(\{.*\})', line[:end], re.S)
            leaf, entry = match.groups() if match else (b'', b'')
        else:
            match = re.fullmatch(rb'\{"frame":(\{.*\}),"leaf":"([0-9a-f]{64})"', line[:end], re.S)
            entry, leaf = match.groups() if match else (b'', b'')
        if match and line[-1:] == b'}' and hashlib.sha256(b'\0' + entry).hexdigest() == leaf.decode():
            return leaf.decode(), entry, None if end == len(line) - 1 else line[end + 10 : -1]
    return None


def payload_kind(named, beside):
    """What stands beside an entry, by the length and the salted digest that the entry has: kept, erased or damaged."""
    if named is None or beside is None:
        return 'kept' if named is None and beside is None else 'damaged'
    if re.fullmatch(b'null *', beside):
        return 'erased'
    match = re.fullmatch(rb'\{"body":(.*),"salt":"([0-9a-f]{32})"\}', beside, re.S)
    salted = bytes.fromhex(match[2].decode()) + match[1] if match else b''
    fits = len(salted) == named['bytes'] + 16 and hashlib.sha256(salted).hexdigest() == named['sha256']
    return 'kept' if fits else 'damaged'


class Lines:
    """The lines of one file. What follows the last whole one, or begins with a NUL byte, is its tail: `torn`."""

    def __init__(self, path, kind):
        self.path, self.kind, self.name = path, kind, f'{path.parent.name}/{path.name}'
        self.bytes, self.torn = 0, None

    def __iter__(self):
        with self.path.open('rb') as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 2), b''), 1):
                if b'\0' in line or not line.endswith(b'\n'):
                    if b'\0' not in line and len(line) > MAX_LINE:
                        FOUND.note(1, f'{self.name}:{number}', 'not a line')
                    tail = line + file.read()
                    self.torn = {'bytes': len(tail), 'sha256': hashlib.sha256(tail).hexdigest()}
                    return
                self.bytes += len(line)
                yield number, self.read(number, line[:-1])

    def read(self, number, line):
        parts = split_line(self.kind, line)
        if parts is None:
            return FOUND.note(1, f'{self.name}:{number}', 'the line was changed')
        leaf, entry, beside = parts
        entry = json.loads(entry)
        PAYLOADS.add(self.name, number, payload_kind(entry.get('payload'), beside))
        return leaf, entry


class Payloads:
    """Those that are erased or damaged, until all is read: a retention.applied anywhere may name them."""

    def __init__(self):
        self.missing, self.named = collections.defaultdict(list), collections.defaultdict(set)

    def add(self, name, number, kind):
        if kind != 'kept':
            self.missing[name].append((number, kind))

    def retention(self, where, detail):
        for each in detail.get('erased') or [{}]:
            if each.get('kind') not in ('record', 'frame') or not isinstance(each.get('to'), int):
                FOUND.note(1, where, 'does not say what was erased')
                continue
            folder = 'records' if each['kind'] == 'record' else 'recordings'
            self.named[f"{folder}/{each['writer']}.ndjson"].add((each['from'], each['to']))

    def judge(self):
        for name, missing in self.missing.items():
            for number, kind in missing:
                named = any(first <= number <= last for first, last in self.named[name])
                if kind == 'erased' and not named:
                    FOUND.note(1, f'{name}:{number}', 'a payload was erased that no retention.applied names')
                elif kind == 'damaged' and not named:
                    FOUND.note(1, f'{name}:{number}', 'the payload was changed')
                elif kind == 'damaged':
                    FOUND.note(2, f'{name}:{number}', 'the erasing of a payload was interrupted: apply retention again')


PAYLOADS = Payloads()


# One writer's two files.


class Writer:
    """A records file, line by line: its chain, what it says of frames, of other writers and of the log."""

    def __init__(self, path, events):
        self.id, self.instance = path.stem, path.stem.split('.')[0]
        self.leaves, self.head, self.seq, self.closing = {}, NO_LEAF, 0, None
        self.frame_heads, self.opened, self.ends, self.recovered = {}, None, set(), []
        self.lines = Lines(path, 'record')
        for number, read in self.lines:
            where = f'records/{path.name}:{number}'
            if self.closing:
                FOUND.note(1, where, 'a record after the writer closed')
            self.closing = None
            if read is None:
                self.seq += 1
                continue
            self.take(where, *read)
            events.add(self, where, read[1])

    def take(self, where, leaf, record):
        if record['writer_id'] != self.id:
            FOUND.note(1, where, 'another writer’s record')
        if record['id'] != f"{record['writer_id']}:{record['seq']}":
            FOUND.note(1, where, 'the id does not name this record')
        if record['seq'] != self.seq + 1:
            how = 'records are missing before this one' if record['seq'] > self.seq else 'a record out of its place'
            FOUND.note(1, where, f'the sequence is broken: {how}')
        elif record['prev'] != self.head:
            FOUND.note(1, where, 'does not follow the record before it')
        self.seq, self.head = record['seq'], leaf
        self.leaves[record['seq']] = bytes.fromhex(leaf)
        detail, event = record.get('detail', {}), record['event']
        if record['seq'] == 1:
            self.opened = (where, detail)
            if event != 'writer.opened':
                FOUND.note(1, where, 'does not begin as a writer does')
            elif detail.get('format') not in FORMATS:
                FOUND.note(3, where, 'written in a format that this version does not know')
        if 'recording' in record and 'session' in record:
            heads = self.frame_heads.setdefault(record['session'], {})
            heads[record['recording']['frames']] = (record['recording']['head'], where)
        if event == 'writer.recovered':
            self.recovered.append((where, detail))
        if event == 'writer.closed' and detail.get('writer_id') == self.id:
            self.closing = detail
        elif event == 'writer.closed':
            self.ends.add(detail.get('writer_id'))


class Recording:
    """The frames of one writer: each session's chain, and each frame that a record names."""

    def __init__(self, path, writer):
        self.frames, self.torn, self.digest, sessions = 0, None, hashlib.sha256(), {}
        if not path.exists():
            FOUND.note(1, f'recordings/{path.name}', 'the recording is gone')
            return
        self.lines = Lines(path, 'frame')
        for number, read in self.lines:
            if read is None:
                continue
            (leaf, frame), where = read, f'recordings/{path.name}:{number}'
            index, head = sessions.get(frame['session'], (0, NO_LEAF))
            if frame['writer_id'] != writer.id:
                FOUND.note(1, where, 'another writer’s frame')
            if frame['seq'] != number:
                FOUND.note(1, where, 'the sequence is broken')
            if frame['i'] != index + 1:
                FOUND.note(1, where, 'the session’s frames are broken')
            elif frame['prev'] != head:
                FOUND.note(1, where, 'does not follow the session’s frame before it')
            sessions[frame['session']] = (frame['i'], leaf)
            wanted = writer.frame_heads.get(frame['session'], {}).pop(frame['i'], None)
            if wanted and wanted[0] != leaf:
                FOUND.note(1, where, f'not the frame that {wanted[1]} names')
            self.digest.update(f'{leaf}\n'.encode())
            self.frames += 1
        self.torn = self.lines.torn
        for heads in writer.frame_heads.values():
            for _, where in heads.values():
                FOUND.note(1, where, 'names a frame that is not in the recording')

    def total(self):
        return {'frames': self.frames, 'digest': self.digest.hexdigest()}


# What must come before what.


class Events:
    """What follows from what, over all records: outcomes, approvals, policies; and what records say of the log."""

    def __init__(self):
        self.open, self.in_doubt, self.grants, self.uses = {}, [], {}, []
        self.policies, self.log = collections.defaultdict(set), []
        self.count = 0

    def add(self, writer, where, record):
        self.count += 1
        event, decision, detail = record['event'], record.get('decision'), record.get('detail', {})
        approval = (record.get('approval') or {}).get('id')
        moment = (writer.id, record['seq'], record['ts'], where, decision or record['id'])
        if event == 'approval.granted' and approval:
            self.grants.setdefault(approval, moment)
        if event in ('policy.activated', 'policy.rolled_back', 'policy.emergency_activated'):
            self.policies[writer.id].add(policy_of(record))
        if event == 'retention.applied':
            PAYLOADS.retention(where, detail)
        if event in ('log.checkpoint', 'log.witnessed', 'key.rotated', 'key.compromised'):
            self.log.append((event, writer.id, record['seq'], where, detail))
        if decision and event.startswith('outcome.'):
            intent = self.open.pop(decision, None)
            if intent is None:
                FOUND.note(2, where, 'an outcome without its intent')
            elif event == 'outcome.unknown':
                self.in_doubt.append(intent)
        if decision and event.startswith('decision.'):
            policy = policy_of(record)
            if policy and policy not in self.policies[writer.id]:
                FOUND.note(1, where, f'decision {decision} is by a policy that was not in force')
        settled = (record.get('outcome') or {}).get('status') in ('ok', 'failed')  # answered at once: it tells its own outcome
        if event in ('decision.forward', 'decision.mask') and decision:
            if not settled:
                self.open[decision] = (record['ts'], decision, writer.id, where)
            if approval and record['approval'].get('state') == 'used':
                self.uses.append((approval, moment))

    def judge(self, unclosed):
        users = {}
        for approval, use in self.uses:
            grant, where = self.grants.get(approval), use[3]
            if grant is None:
                FOUND.note(2, where, 'an approval is used that is not recorded')
            elif (grant[1] >= use[1]) if grant[0] == use[0] else (grant[2] > use[2]):
                FOUND.note(1, where, f'approval {approval} came after its use')
            if users.setdefault(approval, use[4]) != use[4]:
                FOUND.note(1, where, f'approval {approval} is used twice')
        for intent in self.open.values():
            self.in_doubt.append(intent)
            if intent[2] not in unclosed:
                FOUND.note(2, intent[3], f'decision {intent[1]} has no outcome')
        for ts, decision, _, where in self.in_doubt:
            print(f'in doubt: {ts} decision {decision} ({where})')


def policy_of(record):
    policy = record.get('policy')
    return (policy.get('revision'), policy.get('digest')) if isinstance(policy, dict) and policy.get('digest') else None


def end_text(seq, head, size, torn):
    return f'seq {seq}, leaf {head}, {size} bytes, torn {json.dumps(torn, sort_keys=True)}'


def check_succession(writers, recordings):
    """What the writers of an instance say of each other, oldest first; answers those that have no end."""
    ended, unclosed, before = {end for writer in writers.values() for end in writer.ends}, set(), {}
    accounts = [account for writer in writers.values() for account in writer.recovered]
    for writer in writers.values():
        name, recording, torn = f'records/{writer.id}.ndjson', recordings[writer.id], writer.lines.torn
        previous = before.get(writer.instance)
        before[writer.instance] = writer
        found = previous and {'writer_id': previous.id, 'last_seq': previous.seq, 'head': previous.head}
        if writer.opened and writer.opened[1].get('previous') != found:
            FOUND.note(1, writer.opened[0], 'names another writer, or another end of it, before itself')
        for where, detail in accounts:
            if detail.get('writer_id') != writer.id:
                continue
            account = end_text(detail.get('last_seq'), detail.get('head'), detail.get('bytes'), detail.get('torn'))
            theirs = {key: detail.get('recording', {}).get(key) for key in ('frames', 'digest', 'torn')}
            if account != end_text(writer.seq, writer.head, writer.lines.bytes, torn):
                FOUND.note(1, name, f'not as {where} found it when the writer had died')
            if theirs != {**recording.total(), 'torn': recording.torn}:
                FOUND.note(1, f'recordings/{writer.id}.ndjson', f'not as {where} found it when the writer had died')
        if writer.closing:
            if writer.closing.get('last_seq') != writer.seq or torn:
                FOUND.note(1, name, 'does not end where the writer closed')
            if writer.closing.get('recording') != recording.total() or recording.torn:
                FOUND.note(1, f'recordings/{writer.id}.ndjson', 'not the recording that the writer closed with')
        elif writer.id not in ended or not any(detail.get('writer_id') == writer.id for _, detail in accounts):
            unclosed.add(writer.id)
            FOUND.note(2, name, 'the writer never closed, or its end was cut off')
    return unclosed


# The tree.


def node(left, right):
    return hashlib.sha256(b'\1' + left + right).digest()


def roots_at(leaves, sizes):
    """RFC 6962, 2.1: the root over the first n leaves, for each n that is asked for and there."""
    edge, roots = [], {0: hashlib.sha256(b'').digest()}
    for size, leaf in enumerate(leaves, 1):
        height, hashed = 0, leaf
        while height < len(edge) and edge[height] is not None:
            hashed, edge[height], height = node(edge[height], hashed), None, height + 1
        edge[height : height + 1] = [hashed]
        if size in sizes:
            right = None
            for left in edge:
                right = right if left is None else left if right is None else node(left, right)
            roots[size] = right
    return roots


def tiles(leaves):
    """C2SP tlog-tiles, as path and content."""
    level, row = 0, leaves
    while row:
        for index in range((len(row) + 255) // 256):
            part = row[index * 256 : index * 256 + 256]
            digits = str(index).zfill((len(str(index)) + 2) // 3 * 3)
            groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
            name = '/'.join(['x' + group for group in groups[:-1]] + groups[-1:])
            yield f'{level}/{name}' + ('' if len(part) == 256 else f'.p/{len(part)}'), b''.join(part)
        row = [roots_at(row[i : i + 256], {256})[256] for i in range(0, len(row) // 256 * 256, 256)]
        level += 1


def check_tiles(folder, leaves, unsigned):
    expected = dict(tiles(leaves))
    for path, content in expected.items():
        tile = folder / path
        if not tile.exists():
            FOUND.note(1, f'log/tile/{path}', 'a tile is gone')
        elif tile.read_bytes() != content:
            FOUND.note(1, f'log/tile/{path}', 'a tile was changed')
    for tile in folder.rglob('*'):
        path = tile.relative_to(folder).as_posix()
        if not tile.is_file() or path in expected or path.endswith('.new') or unsigned:
            continue
        place = path.split('.p/')[0]
        whole = next((content for other, content in expected.items() if other.split('.p/')[0] == place), b'')
        part = tile.read_bytes()
        if not part or len(part) >= len(whole) or not whole.startswith(part):
            FOUND.note(1, f'log/tile/{path}', 'a tile that no checkpoint has')


def check_order(path, writers):
    """Place of each leaf, in the order of the tree, up to the first that isn't there."""
    places, leaves, seen = {}, [], {}
    text = path.read_text('latin1') if path.exists() else ''
    for number, line in enumerate(text.split('\n')[:-1], 1):
        match = re.fullmatch(r'\{"count":([1-9]\d*),"index":(\d+),"seq":(\d+),"writer":"([^"\\]+)"\}', line)
        count, index, seq = map(int, match.groups()[:3]) if match else (0, -1, -1)
        if not match or index != len(leaves) or seq != seen.get(match[4], 0) + 1:
            FOUND.note(1, f'log/sequence.ndjson:{number}', 'the order was changed')
            return places, leaves
        known = writers[match[4]].leaves if match[4] in writers else {}
        for at in range(seq, seq + count):
            if at not in known:
                message = 'a record of the log is gone or illegible: cut off, taken out, or changed'
                FOUND.note(1, f'records/{match[4]}.ndjson:{at}', message)
                return places, leaves
            places[match[4], at] = len(leaves)
            leaves.append(known[at])
        seen[match[4]] = seq + count - 1
    if text and not text.endswith('\n'):
        FOUND.note(2, 'log/sequence.ndjson', 'its end was never written')
    return places, leaves


# Notes, and who signed them.

ED25519, COSIGNATURE = 1, 4
Key = collections.namedtuple('Key', 'name id public text')
Note = collections.namedtuple('Note', 'text signatures')
Checkpoint = collections.namedtuple('Checkpoint', 'origin size root note')


def decode(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError('another spelling of base64')
    return data


def read_key(text, kind):
    """name+id+base64(type, public key); a file that holds it will do."""
    path = pathlib.Path(text)
    text = (path.read_text() if '+' not in text and path.exists() else text).strip()
    match = re.fullmatch(r'([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)', text)
    data = decode(match[3]) if match else b''
    identity = hashlib.sha256(f'{match[1]}\n'.encode() + data).digest()[:4] if match else b''
    if len(data) != 33 or data[0] != kind or identity.hex() != match[2]:
        raise ValueError('expected a key as name+id+base64')
    return Key(match[1], identity, data[1:], text)


def read_note(text):
    body, _, signatures = text.rpartition('\n\n')
    lines = [re.fullmatch(r'— (\S+) ([A-Za-z0-9+/=]+)', line) for line in signatures.split('\n')[:-1]]
    if not lines or None in lines or not text.endswith('\n') or len({line[0] for line in lines}) < len(lines):
        raise ValueError('no note')
    return Note(body + '\n', [(line[1], decode(line[2])) for line in lines])


def read_checkpoint(text):
    """None for what is no checkpoint of this log: three lines, in one spelling."""
    try:
        note = read_note(text)
        origin, size, encoded = note.text[:-1].split('\n')
        root = decode(encoded)
    except ValueError:
        return None
    return Checkpoint(origin, int(size), root, note) if re.fullmatch(r'0|[1-9]\d{0,15}', size) and len(root) == 32 else None


def signed_by(note, key):
    return any(
        name == key.name and data[:4] == key.id and ed25519_verifies(key.public, note.text.encode(), data[4:])
        for name, data in note.signatures
    )


def cosigned_at(note, key):
    """C2SP tlog-cosignature: when this witness signed, in seconds since 1970; None: it did not."""
    for name, data in note.signatures:
        if name == key.name and data[:4] == key.id and len(data) == 76:
            seconds = int.from_bytes(data[4:12], 'big')
            message = f'cosignature/v1\ntime {seconds}\n{note.text}'.encode()
            if ed25519_verifies(key.public, message, data[12:]):
                return seconds
    return None


class Keys:
    """Which key was the log's at which size. From the leaf of a key.rotated on, that leaf included, it is the new one."""

    def __init__(self, given):
        self.given, self.turns, self.keys, self.compromised = given, [], [given] if given else [], []

    def rotated(self, index, where, detail):
        """Answers whether the record can be believed."""
        try:
            old, new = read_key(detail['old'], ED25519), read_key(detail['new'], ED25519)
            note, root = read_note(detail['statement']), base64.b64encode(bytes.fromhex(detail['root'])).decode()
            lines = f"size {detail['size']}\nroot {root}\nold {old.text}\nnew {new.text}\n"
            same = note.text == f'countersign/key-rotation/v1\norigin {old.name}\n{lines}' and old.name == new.name
        except (ValueError, KeyError, TypeError):
            same = False
        if not same:
            return FOUND.note(1, where, 'a rotation whose statement is another')
        if len(note.signatures) != 2 or not signed_by(note, old) or not signed_by(note, new):
            return FOUND.note(1, where, 'a rotation that not both keys have signed')
        known = self.keys if self.turns else [old]
        if known[-1] != old or new in known:
            return FOUND.note(1, where, 'a rotation out of turn')
        self.keys = known + [new]
        self.turns.append(index)
        return True

    def judge(self, checkpoint):
        """What is wrong with who signed this; None: nothing."""
        if self.given and self.given not in self.keys:
            return 'the key that was given is none of this log’s'
        if not self.keys:
            return None
        key = self.keys[sum(index < checkpoint.size for index in self.turns)]
        if checkpoint.origin == key.name and signed_by(checkpoint.note, key):
            return None
        if any(signed_by(checkpoint.note, other) for other in self.keys):
            return 'signed with a key that was not the log’s at this size'
        return 'signed with another key, or changed'

    def untrusted_from(self, checkpoint):
        sizes = [size for key, size in self.compromised if size < checkpoint.size and signed_by(checkpoint.note, key)]
        return min(sizes, default=None)


class Log:
    """The tree over the records, what was signed of it, and who did."""

    def __init__(self, directory, asked, writers, events):
        self.path, self.asked, self.writers, self.events = directory / 'log', asked, writers, events
        self.keys = Keys(asked.log_key and read_key(asked.log_key, ED25519))
        self.witnesses = [read_key(text, COSIGNATURE) for text in asked.witness_key]
        self.newest = {}

    def check(self):
        given = self.asked.log_key or self.asked.since or self.witnesses
        named = next((where for event, _, _, where, _ in self.events.log if event != 'key.compromised'), None)
        if not self.path.exists() or not any(self.path.iterdir()):
            if given or named:
                FOUND.note(1, 'log/checkpoint', f'the log is gone{f", which {named} names" if named else ""}')
            return print('no log: a cut end or a history written anew does not show')
        for part in self.path.iterdir():
            if part.name not in ('checkpoint', 'sequence.ndjson', 'tile', 'witnessed') and part.suffix != '.new':
                FOUND.note(3, f'log/{part.name}', 'not a file of the log')
        checkpoint = self.read('checkpoint', given)
        witnessed = self.read('witnessed', False)
        size = checkpoint.size if checkpoint else 0
        places, leaves = check_order(self.path / 'sequence.ndjson', self.writers)
        named = self.read_events(places, size)
        since = self.read_since(checkpoint)
        pins = [(witnessed, 'log/witnessed', 'the records are not those that a witness signed')] if witnessed else []
        if witnessed and witnessed.size > size:
            FOUND.note(1, 'log/witnessed', 'the log went back: a witness signed a later checkpoint')
            pins = []
        if checkpoint:
            pins.append((checkpoint, 'log/checkpoint', 'the records are not those that were signed'))
        if since:
            pins.append((since, 'log/checkpoint', 'the log was forked: it does not continue the earlier checkpoint'))
        pins += [(pin, where, 'names a root that the log never had') for pin, where in named]
        roots = roots_at(leaves, {pin.size for pin, _, _ in pins})
        for pin, where, message in pins:
            if roots.get(pin.size) != pin.root:
                FOUND.note(1, where, message)
        for one, name in ((checkpoint, 'checkpoint'), (witnessed, 'witnessed')):
            if one:
                self.judge(one, name, witnessed)
        unsigned = self.events.count - size
        if unsigned > 0:
            FOUND.note(2, 'log/checkpoint', f'records that no checkpoint covers: {unsigned}')
        if len(leaves) >= size:
            check_tiles(self.path / 'tile', leaves[:size], unsigned > 0)
        self.report_witnesses(witnessed)
        if checkpoint:
            verified = 'verified' if self.asked.log_key else 'unchecked'
            print(f'{checkpoint.origin}: {size} records, signature {verified}')

    def read(self, name, required):
        path = self.path / name
        if not path.exists():
            if name == 'checkpoint':
                FOUND.note(1 if required else 2, f'log/{name}', 'the checkpoint is gone')
            return None
        checkpoint = read_checkpoint(path.read_bytes().decode())
        if checkpoint is None or (name == 'checkpoint' and len(checkpoint.note.signatures) != 1):
            FOUND.note(1, f'log/{name}', 'not a checkpoint')
            return None
        return checkpoint

    def read_events(self, places, size):
        """Records of rotations, heartbeats and witnesses, in the log's order; answers the roots that they name."""
        named, end = [], len(places)
        in_order = [(places.get((writer, seq), end), *rest) for rest in self.events.log for writer, seq in [rest[1:3]]]
        for index, event, _, _, where, detail in sorted(in_order, key=lambda each: each[0]):
            if event == 'key.compromised':
                try:
                    self.keys.compromised.append((read_key(detail['key'], ED25519), int(detail['from'])))
                except (ValueError, KeyError, TypeError):
                    FOUND.note(1, where, 'does not say which key was compromised')
                continue
            if event == 'key.rotated' and not self.keys.rotated(index, where, detail):
                continue
            try:
                pin = Checkpoint(None, int(detail['size']), bytes.fromhex(detail['root']), None)
            except (ValueError, KeyError, TypeError):
                FOUND.note(1, where, 'names no root of the log')
                continue
            if event == 'log.witnessed':
                note = read_checkpoint(detail.get('checkpoint', ''))
                if note is None or (note.size, note.root) != (pin.size, pin.root):
                    FOUND.note(1, where, 'not what a witness signed')
                    continue
                self.newest[pin.size] = note
            if pin.size > size:
                FOUND.note(1, where, 'the log went back: this record names a later checkpoint')
            else:
                named.append((pin, where))
        for key, _ in self.keys.compromised:
            if self.keys.keys and key not in self.keys.keys:
                FOUND.note(2, 'log', 'a record says that a key was compromised which is none of this log’s')
        return named

    def read_since(self, checkpoint):
        if not self.asked.since:
            return None
        since = read_checkpoint(self.asked.since.read_bytes().decode())
        trusted = since and any(cosigned_at(since.note, key) is not None for key in self.witnesses)
        if since is None or not trusted and (self.keys.judge(since) or self.keys.untrusted_from(since) is not None):
            FOUND.note(3, 'log/checkpoint', '--since is no such checkpoint')
        if since and trusted:
            self.newest[since.size] = since
        if since and (not checkpoint or since.origin != checkpoint.origin or since.size > checkpoint.size):
            return FOUND.note(1, 'log/checkpoint', 'the log went back')
        return since

    def judge(self, checkpoint, name, witnessed):
        wrong = self.keys.judge(checkpoint)
        if wrong:
            FOUND.note(1, f'log/{name}', wrong)
        size = self.keys.untrusted_from(checkpoint)
        beside = witnessed if witnessed and witnessed.note.text == checkpoint.note.text else checkpoint
        if size is not None and not any(cosigned_at(beside.note, key) is not None for key in self.witnesses):
            FOUND.note(1, f'log/{name}', f'signed with a key that was compromised from {size} records on')

    def report_witnesses(self, witnessed):
        """Each witness's newest signature; one that is known and signed nothing is somebody else's work."""
        if witnessed:
            self.newest[witnessed.size] = witnessed
            for name, data in witnessed.note.signatures:
                mine = [key for key in self.witnesses if key.name == name and key.id == data[:4]]
                if mine and cosigned_at(Note(witnessed.note.text, [(name, data)]), mine[0]) is None:
                    FOUND.note(1, 'log/witnessed', 'a witness’s name over a signature that is not its own')
        signed = False
        for key in self.witnesses:
            for size in sorted(self.newest, reverse=True):
                seconds = cosigned_at(self.newest[size].note, key)
                if seconds is not None:
                    at = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()
                    print(f'witness {key.name}: {size} records, at {at}; {self.events.count - size} not yet')
                    signed = True
                    break
        if self.witnesses and not signed:
            if witnessed:
                FOUND.note(1, 'log/witnessed', 'only other witnesses have signed')
            else:
                FOUND.note(2, 'log/witnessed', 'no witness has signed this log')


def writer_files(directory, folder):
    for path in sorted((directory / folder).iterdir()):
        if WRITER.match(path.name):
            yield path
        else:
            FOUND.note(3, f'{folder}/{path.name}', 'not a file of the log')


def verify(asked):
    writers, recordings, events = {}, {}, Events()
    for path in writer_files(asked.directory, 'records'):
        writers[path.stem] = Writer(path, events)
        recordings[path.stem] = Recording(asked.directory / 'recordings' / path.name, writers[path.stem])
    for path in writer_files(asked.directory, 'recordings'):
        if path.stem not in writers and path.stat().st_size > 0:
            FOUND.note(1, f'recordings/{path.name}', 'a recording without its records')
    if not writers:
        FOUND.note(3, 'records', 'no writer’s records')
    events.judge(check_succession(writers, recordings))
    PAYLOADS.judge()
    Log(asked.directory, asked, writers, events).check()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('directory', type=pathlib.Path)
    parser.add_argument('--log-key')
    parser.add_argument('--witness-key', action='append', default=[])
    parser.add_argument('--since', type=pathlib.Path)
    asked = parser.parse_args()
    try:
        verify(asked)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        FOUND.note(3, str(asked.directory), f'the directory can not be verified: {error!r}')
    code = FOUND.exit_code()
    print(('OK', 'TAMPERED', 'INCOMPLETE', 'CAN NOT VERIFY')[code])
    return code


if __name__ == '__main__':
    sys.exit(main())
