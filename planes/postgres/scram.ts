import { createHash, createHmac, pbkdf2, timingSafeEqual, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { UpstreamError } from '../../engine/index.ts'

const deriveKey = promisify(pbkdf2)

/** RFC 7677, 4: a server that asks for fewer rounds makes our proof cheap to search. */
const MIN_ITERATIONS = 4096
/** About a second on one core; more is a server that keeps us busy. */
const MAX_ITERATIONS = 2_000_000

export interface ScramOptions {
  /** PostgreSQL takes the name from the startup message and ignores this one; libpq leaves it empty. */
  readonly user: string
  readonly password: string
  /** Printable ASCII without a comma, fresh for each exchange: 18 random bytes in base64. */
  readonly nonce: string
  /** What the server offered, in AuthenticationSASL. */
  readonly mechanisms: readonly string[]
  /** DER of the server's certificate when the connection is TLS, else null. */
  readonly certificate: Buffer | null
}

/** The client's side of one exchange, by RFC 5802 with SHA-256 (RFC 7677). Its steps are called once each, in order. */
export interface ScramExchange {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS'
  /** client-first-message */
  first(): Buffer
  /** client-final-message, for a server-first-message. */
  final(serverFirst: Buffer): Promise<Buffer>
  /** Throws UpstreamError unless the server's final message proves that it knows the password too. */
  verify(serverFinal: Buffer): void
}

/** Chooses the mechanism, with channel binding where both sides can. Throws UpstreamError ERR_UPSTREAM_AUTH. */
export function startScram(options: ScramOptions): ScramExchange {
  const binding = chooseBinding(options)
  const bare = `n=${options.user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${options.nonce}`
  let expectedSignature: Buffer | null = null
  return {
    mechanism: binding.mechanism,
    first: () => Buffer.from(binding.header + bare),
    final: async (serverFirst) => {
      const challenge = readChallenge(serverFirst.toString('utf8'), options.nonce)
      const channel = Buffer.concat([Buffer.from(binding.header), binding.material]).toString('base64')
      const withoutProof = `c=${channel},r=${challenge.nonce}`
      const signed = `${bare},${serverFirst.toString('utf8')},${withoutProof}`
      const { proof, serverSignature } = await answer(options.password, challenge, signed)
      expectedSignature = serverSignature
      return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`)
    },
    verify: (serverFinal) => {
      if (!provesPassword(serverFinal.toString('utf8'), expectedSignature)) {
        throw refused('the server did not prove that it knows the password; something may stand in its place')
      }
    },
  }
}

interface Binding {
  readonly mechanism: ScramExchange['mechanism']
  /** gs2-header of RFC 5802, 7. */
  readonly header: string
  readonly material: Buffer
}

/**
 * `y` tells the server "I could bind, you offered nothing": where it did offer, somebody cut the offer out, and it ends
 * the exchange. `n`: we can't.
 */
function chooseBinding({ mechanisms, certificate }: ScramOptions): Binding {
  const material = certificate === null ? null : endPointHash(certificate)
  if (material !== null && mechanisms.includes('SCRAM-SHA-256-PLUS')) {
    return { mechanism: 'SCRAM-SHA-256-PLUS', header: 'p=tls-server-end-point,,', material }
  }
  if (mechanisms.includes('SCRAM-SHA-256')) {
    return { mechanism: 'SCRAM-SHA-256', header: material === null ? 'n,,' : 'y,,', material: Buffer.alloc(0) }
  }
  throw refused(
    'the server offers no SASL mechanism that is spoken here: SCRAM-SHA-256 or SCRAM-SHA-256-PLUS is expected',
  )
}

/** Object identifiers of signature algorithms, and the hash that binds to a certificate signed by them. */
const SIGNATURE_HASHES: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.4', 'sha256'], // MD5 and SHA-1 are replaced by SHA-256 (RFC 5929, 4.1)
  ['1.2.840.113549.1.1.5', 'sha256'],
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
  ['1.2.840.10045.4.1', 'sha256'],
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
])

/** tls-server-end-point (RFC 5929, 4); null for algorithms that name no single hash, such as Ed25519. */
function endPointHash(certificate: Buffer): Buffer | null {
  const hash = SIGNATURE_HASHES.get(new X509Certificate(certificate).signatureAlgorithmOid)
  return hash === undefined ? null : createHash(hash).update(certificate).digest()
}

interface Challenge {
  readonly nonce: string
  readonly salt: Buffer
  readonly iterations: number
}

const SERVER_FIRST = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9][0-9]{0,9})(?:,|$)/

function readChallenge(text: string, ownNonce: string): Challenge {
  const [, nonce, salt, iterations] = SERVER_FIRST.exec(text) ?? []
  if (nonce === undefined || salt === undefined) throw refused('the server’s first SCRAM message is malformed')
  if (!nonce.startsWith(ownNonce) || nonce.length === ownNonce.length) {
    throw refused('the server’s SCRAM nonce does not continue ours: the message belongs to another exchange')
  }
  const rounds = Number(iterations)
  if (rounds < MIN_ITERATIONS || rounds > MAX_ITERATIONS) {
    throw refused(`the server asks for ${rounds} SCRAM iterations; ${MIN_ITERATIONS} to ${MAX_ITERATIONS} are accepted`)
  }
  return { nonce, salt: Buffer.from(salt, 'base64'), iterations: rounds }
}

async function answer(
  password: string,
  { salt, iterations }: Challenge,
  signed: string,
): Promise<{ readonly proof: Buffer; readonly serverSignature: Buffer }> {
  const salted = await deriveKey(preparePassword(password), salt, iterations, 32, 'sha256')
  const clientKey = hmac(salted, 'Client Key')
  const clientSignature = hmac(createHash('sha256').update(clientKey).digest(), signed)
  const proof = Buffer.from(clientKey.map((byte, index) => byte ^ (clientSignature[index] ?? 0)))
  return { proof, serverSignature: hmac(hmac(salted, 'Server Key'), signed) }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function provesPassword(serverFinal: string, expected: Buffer | null): boolean {
  const [, signature] = /^v=([A-Za-z0-9+/]+={0,2})(?:,|$)/.exec(serverFinal) ?? []
  if (signature === undefined || expected === null) return false
  const given = Buffer.from(signature, 'base64')
  return given.length === expected.length && timingSafeEqual(given, expected)
}

const OTHER_SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g
const MAPPED_TO_NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g
const PROHIBITED = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}]/u

/** SASLprep (RFC 4013) as the server does it: what the profile prohibits is used as it stands. */
function preparePassword(password: string): string {
  const prepared = password.replaceAll(OTHER_SPACES, ' ').replaceAll(MAPPED_TO_NOTHING, '').normalize('NFKC')
  return prepared === '' || PROHIBITED.test(prepared) ? password : prepared
}

function refused(problem: string): UpstreamError {
  return new UpstreamError('ERR_UPSTREAM_AUTH', problem)
}
