import { NormalizeError } from '../../../engine/index.ts'

/** A queue, told apart from every other by account, region and name, however it was written. */
export interface Queue {
  readonly account: string
  readonly region: string
  readonly name: string
  readonly arn: string
  readonly fifo: boolean
}

/** Where the gateway stands: what a bare name is completed with, and which URLs are its own. */
export interface QueuePlace {
  readonly account: string
  readonly region: string
  readonly partition: string
  /** Scheme, host and port that clients use, without a path: never taken from a request's Host header. */
  readonly publicUrl: string
}

// 80 characters, `.fifo` included.
const NAME = String.raw`[A-Za-z0-9_-]{1,75}\.fifo|[A-Za-z0-9_-]{1,80}`
const BARE = new RegExp(`^(?:${NAME})$`)
const PATH = new RegExp(`^/(\\d{12})/(${NAME})$`)
/** AWS's own hosts, today's, dual-stack, FIPS and the two old forms. */
const AWS_HOST =
  /^https:\/\/(?:sqs(?:-fips)?\.([a-z0-9-]{4,32})\.(?:amazonaws\.com(?:\.cn)?|api\.aws)|([a-z0-9-]{4,32})\.queue\.amazonaws\.com|(queue)\.amazonaws\.com)(?=\/)/
const ARN = new RegExp(`^arn:(aws[a-z-]{0,16}):sqs:([a-z0-9-]{4,32}):(\\d{12}):(${NAME})$`)

export function queueOf(account: string, region: string, name: string, place: QueuePlace): Queue {
  if (!BARE.test(name) || !/^\d{12}$/.test(account)) throw unresolved()
  const arn = `arn:${place.partition}:sqs:${region}:${account}:${name}`
  return { account, region, name, arn, fifo: name.endsWith('.fifo') }
}

/**
 * A QueueUrl: the gateway's own, AWS's in any of its forms, or the bare name. Matched as text and whole: no user, port,
 * query, fragment, escape or dot segment has a form here, so that no two parsers can read two queues from it.
 */
export function resolveQueueUrl(url: string, place: QueuePlace): Queue {
  if (BARE.test(url)) return queueOf(place.account, place.region, url, place)
  const own = url.startsWith(`${place.publicUrl}/`)
  const aws = own ? null : AWS_HOST.exec(url)
  if (!own && aws === null) throw unresolved()
  const region = aws === null ? place.region : (aws[1] ?? aws[2] ?? 'us-east-1')
  const path = PATH.exec(url.slice(aws === null ? place.publicUrl.length : aws[0].length))
  if (path === null) throw unresolved()
  return inRegion(queueOf(path[1] ?? '', region, path[2] ?? '', place), place)
}

export function resolveQueueArn(arn: string, place: QueuePlace): Queue {
  const [, partition, region = '', account = '', name = ''] = ARN.exec(arn) ?? []
  if (partition !== place.partition) throw unresolved()
  return inRegion(queueOf(account, region, name, place), place)
}

/** The one way in which clients see a queue. */
export function gatewayUrl(queue: Queue, place: QueuePlace): string {
  return `${place.publicUrl}/${queue.account}/${queue.name}`
}

/** A path on the request line that names a queue, as old SDKs send it; null for the root. */
export function queueOfPath(path: string, place: QueuePlace): Queue | null {
  if (path === '/') return null
  const found = PATH.exec(path)
  if (found === null) throw unresolved()
  return queueOf(found[1] ?? '', place.region, found[2] ?? '', place)
}

// The service behind the gateway has one region: a queue of another would be some other queue there.
function inRegion(queue: Queue, place: QueuePlace): Queue {
  if (queue.region !== place.region) throw unresolved()
  return queue
}

function unresolved(): NormalizeError {
  return new NormalizeError('ERR_NORMALIZE_UNRESOLVED', 'this names no queue that is offered here', {
    native: 'QueueDoesNotExist',
  })
}
