import { crc32, deflateSync } from 'node:zlib'

/** A PGM (P5, 8 bits) as a PNG of 16 greys: text keeps its edges, and takes half the bytes. */
export function grayPicture(pgm: Buffer): Buffer {
  const [header = '', width = '0', height = '0'] =
    /^P5\s+(\d+)\s+(\d+)\s+255\s/.exec(pgm.toString('latin1', 0, 64)) ?? []
  if (header === '') throw new Error('expected a PGM of 8 bits; found something else')
  const pixels = pgm.subarray(header.length)
  const [columns, rows] = [Number(width), Number(height)]
  const line = 1 + Math.ceil(columns / 2)
  const packed = Buffer.alloc(line * rows) // each line begins with filter 0: none
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const grey = Math.round((pixels[row * columns + column] ?? 255) / 17)
      const place = row * line + 1 + (column >> 1)
      packed[place] = (packed[place] ?? 0) | (column % 2 === 0 ? grey << 4 : grey)
    }
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(columns, 0)
  head.writeUInt32BE(rows, 4)
  head.writeUInt8(4, 8) // bits a pixel; the rest is 0: grey, deflate, no interlace
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  const image = deflateSync(packed, { level: 9 })
  return Buffer.concat([signature, chunk('IHDR', head), chunk('IDAT', image), chunk('IEND', Buffer.alloc(0))])
}

function chunk(type: string, content: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type, 'latin1'), content])
  const framed = Buffer.alloc(8 + named.length)
  framed.writeUInt32BE(content.length, 0)
  named.copy(framed, 4)
  framed.writeUInt32BE(crc32(named), 4 + named.length)
  return framed
}
