#!/usr/bin/env python3
"""A second verifier of a Countersign evidence directory, from docs/evidence-format.md alone: Python, standard library.

usage: verify.py DIRECTORY [--log-key NAME+ID+KEY] [--since FILE]

It shares no code with the gateway. It checks the bytes, hashes and chains of all records and frames, the tree over the
records, its tiles, and the checkpoint with its signature. What it leaves to `countersign evidence verify`: outcomes
against decisions, approvals against their use, and what writers say of each other.
exit: 0 nothing found, 1 tampered, 2 incomplete, 3 can't be verified
"""
import argparse
import base64
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
        print(f"{ {1: 'TAMPERED', 2: 'INCOMPLETE', 3: 'CAN NOT VERIFY'}[code] }  {where}  {message}")

    def exit_code(self):
        return next((code for code in (1, 3, 2) if code in self.codes), 0)


FOUND = Findings()
NO_LEAF = '0' * 64
WRITER = re.compile(r'^([A-Za-z0-9][A-Za-z0-9_-]{0,62})\.(\d{13}-[0-9a-f]{12})\.ndjson$')
SHAPES = {
    'record': re.compile(rb'^\{"leaf":"([0-9a-f]{64})","record":(\{.*?\})(?:,"salted":(.*))?\}$', re.S),
    'frame': re.compile(rb'^\{"frame":(\{.*?\}),"leaf":"([0-9a-f]{64})"(?:,"salted":(.*))?\}$', re.S),
}


def payload_fits(named, beside):
    """The payload stands beside its entry; the entry has its length, and its digest behind 16 bytes of salt."""
    if named is None or beside is None:
        return named is None and beside is None
    match = re.fullmatch(rb'\{"body":(.*),"salt":"([0-9a-f]{32})"\}', beside, re.S)
    salted = bytes.fromhex(match[2].decode()) + match[1] if match else b''
    return len(salted) == named['bytes'] + 16 and hashlib.sha256(salted).hexdigest() == named['sha256']


def entries(path, kind):
    """Yields (line number, leaf, entry); the entry's bytes are bound by its leaf, so they need no second spelling."""
    content = path.read_bytes()
    zeros = content.find(b'\0')
    whole = content if zeros < 0 else content[: content.rfind(b'\n', 0, zeros) + 1]
    lines = whole.split(b'\n')
    for number, line in enumerate(lines[:-1], 1):
        match = SHAPES[kind].match(line)
        leaf, entry = (match.group(1, 2) if kind == 'record' else match.group(2, 1)) if match else (b'', b'')
        if not match or hashlib.sha256(b'\0' + entry).hexdigest() != leaf.decode():
            FOUND.note(1, f'{path.parent.name}/{path.name}:{number}', 'the line was changed')
            continue
        entry = json.loads(entry)
        if not payload_fits(entry.get('payload'), match[3]):
            FOUND.note(1, f'{path.parent.name}/{path.name}:{number}', 'the payload was changed')
        yield number, leaf.decode(), entry
    if lines[-1] or whole != content:
        yield None, None, None


def check_records(path):
    writer, head, leaves, named, closed, ends, torn = path.stem, NO_LEAF, {}, {}, False, set(), False
    for number, leaf, record in entries(path, 'record'):
        if number is None:
            torn = True
            continue
        where = f'records/{path.name}:{number}'
        if closed:
            FOUND.note(1, where, 'a record after the writer closed')
        if record['seq'] != number or record['id'] != f'{writer}:{number}' or record['writer_id'] != writer:
            FOUND.note(1, where, 'the sequence is broken')
        elif record['prev'] != head:
            FOUND.note(1, where, 'does not follow the record before it')
        head, leaves[number] = leaf, leaf
        if 'recording' in record:
            named[(record.get('session'), record['recording']['frames'])] = (record['recording']['head'], where)
        detail = record.get('detail', {})
        if record['event'] == 'writer.closed':
            ends.add((detail['writer_id'], detail['last_seq'], detail.get('how')))
            closed = detail['writer_id'] == writer
            if closed:
                named['all'] = (detail['recording'], where)
    return {'leaves': leaves, 'named': named, 'closed': closed and not torn, 'ends': ends}


def check_frames(path, named):
    sessions, digest, count = {}, hashlib.sha256(), 0
    if not path.exists():
        return FOUND.note(1, f'recordings/{path.name}', 'the recording is gone')
    for number, leaf, frame in entries(path, 'frame'):
        if number is None:
            continue
        where, session = f'recordings/{path.name}:{number}', frame['session']
        index, head = sessions.get(session, (0, NO_LEAF))
        if frame['seq'] != number or frame['i'] != index + 1 or frame['prev'] != head:
            FOUND.note(1, where, 'does not follow the frame before it')
        sessions[session] = (frame['i'], leaf)
        wanted = named.pop((session, frame['i']), None)
        if wanted and wanted[0] != leaf:
            FOUND.note(1, where, f'not the frame that {wanted[1]} names')
        digest.update(f'{leaf}\n'.encode())
        count += 1
    total = named.pop('all', None)
    if total and (total[0]['frames'] != count or total[0]['digest'] != digest.hexdigest()):
        FOUND.note(1, f'recordings/{path.name}', f'not the recording that {total[1]} closed')
    for _, where in named.values():
        FOUND.note(1, where, 'names a frame that is not in the recording')


def node(left, right):
    return hashlib.sha256(b'\1' + left + right).digest()


def root(level):
    """RFC 6962, 2.1: pairs from the left; a node that has no neighbour goes up as it is."""
    while len(level) > 1:
        pairs = [node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0] if level else hashlib.sha256(b'').digest()


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
        row = [root(row[i : i + 256]) for i in range(0, len(row) // 256 * 256, 256)]
        level += 1


def read_checkpoint(text):
    body, _, signatures = text.rpartition('\n\n')
    parts, lines = body.split('\n'), signatures.split('\n')
    if len(parts) != 3 or len(lines) != 2 or lines[1] or not re.fullmatch(r'0|[1-9]\d{0,15}', parts[1]):
        return None
    match = re.fullmatch(r'— (\S+) ([A-Za-z0-9+/=]+)', lines[0])
    try:
        found, signature = base64.b64decode(parts[2], validate=True), base64.b64decode(match[2], validate=True)
    except (ValueError, TypeError):
        return None
    if base64.b64encode(found).decode() != parts[2] or base64.b64encode(signature).decode() != match[2] or len(found) != 32:
        return None
    return {'origin': parts[0], 'size': int(parts[1]), 'root': found, 'text': body + '\n', 'name': match[1], 'signature': signature}


def signed(checkpoint, key):
    name, identifier, encoded = key.strip().split('+', 2)
    public = base64.b64decode(encoded)
    expected = hashlib.sha256(name.encode() + b'\n' + public).digest()[:4]
    if expected.hex() != identifier or public[0] != 1:
        raise ValueError('--log-key: expected name+id+key')
    by = checkpoint['name'] == checkpoint['origin'] == name and checkpoint['signature'][:4] == expected
    return by and ed25519_verifies(public[1:], checkpoint['text'].encode(), checkpoint['signature'][4:])


def check_order(path, writers):
    """The leaves in the order of the tree; None from the first that isn't there on."""
    order, seen = [], {}
    text = path.read_text() if path.exists() else ''
    for number, line in enumerate(text.split('\n')[:-1], 1):
        match = re.fullmatch(r'\{"count":(\d+),"index":(\d+),"seq":(\d+),"writer":"([^"\\]+)"\}', line)
        count, index, seq = map(int, match.groups()[:3]) if match else (0, -1, -1)
        if not match or count == 0 or index != len(order) or seq != seen.get(match[4], 0) + 1:
            FOUND.note(1, f'log/sequence.ndjson:{number}', 'the order was changed')
            break
        leaves = writers.get(match[4], {'leaves': {}})['leaves']
        gone = [at for at in range(seq, seq + count) if at not in leaves]
        if gone:
            message = 'a record of the log is gone or illegible: cut off, taken out, or changed'
            FOUND.note(1, f'records/{match[4]}.ndjson:{gone[0]}', message)
            break
        order += [bytes.fromhex(leaves[at]) for at in range(seq, seq + count)]
        seen[match[4]] = seq + count - 1
    if text and not text.endswith('\n'):
        FOUND.note(2, 'log/sequence.ndjson', 'its end was never written')
    return order


def check_log(directory, writers, key, since):
    log = directory / 'log'
    if not log.exists():
        if key or since:
            FOUND.note(1, 'log/checkpoint', 'the log is gone')
        return print('no log: a cut end or a history written anew does not show')
    if not (log / 'checkpoint').exists():
        return FOUND.note(1 if key or since else 2, 'log/checkpoint', 'the checkpoint is gone')
    checkpoint = read_checkpoint((log / 'checkpoint').read_bytes().decode())
    if checkpoint is None:
        return FOUND.note(1, 'log/checkpoint', 'not a checkpoint')
    if key and not signed(checkpoint, key):
        FOUND.note(1, 'log/checkpoint', 'signed with another key, or changed')
    order, size = check_order(log / 'sequence.ndjson', writers), checkpoint['size']
    if len(order) < size or root(order[:size]) != checkpoint['root']:
        FOUND.note(1, 'log/checkpoint', 'the records are not those that were signed')
    if since:
        check_since(read_checkpoint(since), checkpoint, order, key)
    unsigned = sum(len(writer['leaves']) for writer in writers.values()) - size
    if unsigned > 0:
        FOUND.note(2, 'log/checkpoint', f'records that no checkpoint covers: {unsigned}')
    for path, content in tiles(order[:size]):
        tile = log / 'tile' / path
        if not tile.exists():
            FOUND.note(1, f'log/tile/{path}', 'a tile is gone')
        elif tile.read_bytes() != content:
            FOUND.note(1, f'log/tile/{path}', 'a tile was changed')
    print(f"{checkpoint['origin']}: {size} records, signature {'verified' if key else 'unchecked'}")


def check_since(earlier, checkpoint, order, key):
    if earlier is None or (key and not signed(earlier, key)):
        return FOUND.note(3, 'log/checkpoint', '--since is no such checkpoint')
    if earlier['origin'] != checkpoint['origin'] or earlier['size'] > checkpoint['size']:
        return FOUND.note(1, 'log/checkpoint', 'the log went back')
    if root(order[: earlier['size']]) != earlier['root']:
        FOUND.note(1, 'log/checkpoint', 'the log was forked: it does not continue the earlier checkpoint')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('directory', type=pathlib.Path)
    parser.add_argument('--log-key')
    parser.add_argument('--since', type=pathlib.Path)
    asked = parser.parse_args()
    try:
        writers = {}
        for path in sorted((asked.directory / 'records').iterdir()):
            if WRITER.match(path.name):
                writers[path.stem] = check_records(path)
                check_frames(asked.directory / 'recordings' / path.name, writers[path.stem]['named'])
            else:
                FOUND.note(3, f'records/{path.name}', 'not a file of the log')
        if not writers:
            FOUND.note(3, 'records', 'no writer’s records')
        ended = {writer for each in writers.values() for writer, _, how in each['ends'] if how == 'crash'}
        for writer, each in writers.items():
            if not each['closed'] and writer not in ended:
                FOUND.note(2, f'records/{writer}.ndjson', 'the writer has no end')
        check_log(asked.directory, writers, asked.log_key, asked.since and asked.since.read_bytes().decode())
    except (OSError, ValueError, KeyError, TypeError) as error:
        FOUND.note(3, str(asked.directory), f'the directory can not be verified: {error}')
    code = FOUND.exit_code()
    print(('OK', 'TAMPERED', 'INCOMPLETE', 'CAN NOT VERIFY')[code])
    return code


if __name__ == '__main__':
    sys.exit(main())
