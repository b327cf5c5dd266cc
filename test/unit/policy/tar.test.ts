import { describe, expect, test } from 'vitest'
import { readTar, writeTar } from '../../../engine/policy/tar.ts'

const BLOCK = 512

/** An archive of one file whose header is then changed, with its checksum set right again unless told otherwise. */
function altered(change: (header: Buffer) => void, options: { readonly checksum?: boolean } = {}): Buffer {
  const archive = writeTar([{ name: 'data.json', content: Buffer.from('{}') }])
  const header = archive.subarray(0, BLOCK)
  change(header)
  if (options.checksum !== false) {
    header.fill(' ', 148, 156)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  }
  return archive
}

const named = (name: string) =>
  altered((header) => {
    header.fill(0, 0, 100)
    header.write(name, 0, 'utf8')
  })

const refused = (message: string) =>
  expect.objectContaining({ code: 'ERR_POLICY_BUNDLE', message: expect.stringContaining(message) })

describe('strange paths', () => {
  test.each([
    '../data.json',
    '/../data.json',
    'a/../data.json',
    'a/..',
    '..',
    '.',
    './data.json',
    '//data.json',
    'a//b',
    'a/./b',
    'a/',
    '/',
    'a\\b',
    'C:data.json',
    'data.json ',
    'data\u0001.json',
    'dаta.json',
    'data.json\u200b',
    '-\n',
  ])('%j', (name) => {
    expect(() => readTar(named(name))).toThrow(refused('strange path'))
  })

  test('no name', () => {
    expect(() => readTar(named(''))).toThrow(refused('bytes after its end'))
  })

  test('a name that hides more behind a zero byte', () => {
    expect(() => readTar(named('data.json\0.exe'))).toThrow(refused('bytes behind a name'))
  })

  test.each(['data.json', '.manifest', 'a/b/c.rego', '.signatures.json', 'a-b_c.1'])('%j is plain', (name) => {
    expect(readTar(named(name)).map((file) => file.name)).toEqual([name])
    expect(readTar(named(`/${name}`)).map((file) => file.name)).toEqual([name])
  })
})

describe('entries that are no plain files', () => {
  test.each([
    ['a hard link', '1'],
    ['a symbolic link', '2'],
    ['a device', '3'],
    ['a folder', '5'],
    ['a pax header', 'x'],
    ['a global pax header', 'g'],
    ['a GNU long name', 'L'],
    ['a sparse file', 'S'],
    ['an old-style file', '\0'],
  ])('%s', (_what, type) => {
    expect(() => readTar(altered((header) => header.write(type, 156, 'latin1')))).toThrow(refused('regular files only'))
  })

  test('a GNU header', () => {
    expect(() => readTar(altered((header) => header.write('ustar  \0', 257, 'latin1')))).toThrow(
      refused('not in ustar format'),
    )
  })

  test('a size in base 256', () => {
    expect(() => readTar(altered((header) => header.writeUInt8(0x80, 124)))).toThrow(refused('damaged header'))
  })
})

const file = (name: string, text: string) => ({ name, content: Buffer.from(text) })

describe('two readings of one archive', () => {
  test('a name twice', () => {
    expect(() => readTar(writeTar([file('data.json', '{}'), file('data.json', '{"a":1}')]))).toThrow(refused('twice'))
  })

  test('a name twice but for case', () => {
    expect(() => readTar(writeTar([file('data.json', '{}'), file('Data.JSON', '{}')]))).toThrow(refused('twice'))
  })

  test('a name twice, once with a slash before it', () => {
    const slashless = named('data.json')
    const both = Buffer.concat([slashless.subarray(0, 2 * BLOCK), writeTar([file('data.json', '{}')])])
    expect(() => readTar(both)).toThrow(refused('twice'))
  })

  test('bytes after the end', () => {
    const archive = writeTar([file('data.json', '{}')])
    expect(() => readTar(Buffer.concat([archive, archive]))).toThrow(refused('bytes after its end'))
  })

  test('bytes in the padding', () => {
    const archive = writeTar([file('data.json', '{}')])
    archive[BLOCK + 100] = 1
    expect(() => readTar(archive)).toThrow(refused('padding'))
  })
})

describe('damage', () => {
  test('a wrong checksum', () => {
    expect(() => readTar(altered((header) => header.write('1', 108, 'latin1'), { checksum: false }))).toThrow(
      refused('damaged header'),
    )
  })

  test.each([0, 1, 100, 511, 512, 513, 1024, 1535])('cut after %d bytes', (length) => {
    const archive = writeTar([{ name: 'data.json', content: Buffer.from('{}') }])
    expect(() => readTar(archive.subarray(0, length))).toThrow(expect.objectContaining({ code: 'ERR_POLICY_BUNDLE' }))
  })

  test('a size larger than the archive', () => {
    const huge = altered((header) => header.write('77777777777\0', 124, 'latin1'))
    expect(() => readTar(huge)).toThrow(refused('cut short'))
  })

  test('more files than a bundle has', () => {
    const files = Array.from({ length: 4097 }, (_file, at) => ({ name: `f${at}`, content: Buffer.alloc(0) }))
    expect(() => readTar(writeTar(files))).toThrow(refused('more than 4096 files'))
  })

  test('a name too long to write', () => {
    expect(() => writeTar([{ name: 'x'.repeat(100), content: Buffer.alloc(0) }])).toThrow(refused('as long as'))
  })
})
