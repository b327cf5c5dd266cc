/** One thing that was looked at. `open`: a way around the gateway. */
export interface Finding {
  readonly kind: 'closed' | 'open' | 'unknown'
  readonly what: string
  /** What to set; empty where nothing is to be done. */
  readonly remedy: string
}

/** An agent's own surroundings, as its SDK meets them. */
export interface AgentSurroundings {
  /** Scheme, host and port of the gateway. */
  readonly gateway: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Sections of the shared configuration and credentials files: profiles, and `services NAME`. */
  readonly profiles: Readonly<Record<string, Readonly<Record<string, string | undefined>>>>
  /** Its program's files by name, as far as they were looked at. */
  readonly files: Readonly<Record<string, string>>
}

const closed = (what: string): Finding => ({ kind: 'closed', what, remedy: '' })
const open = (what: string, remedy: string): Finding => ({ kind: 'open', what, remedy })

/** Where an SDK of this agent would go, and as whom: everything that leads elsewhere, with what to set. */
export function waysAround(agent: AgentSurroundings): readonly Finding[] {
  return [
    ignored(agent),
    endpoint(agent, 'SQS'),
    endpoint(agent, 'STS'),
    credentials(agent),
    instanceRole(agent),
    proxy(agent),
    ...queueUrlsInEnvironment(agent),
    ...Object.entries(agent.files).flatMap(([name, text]) => inFile(name, text, agent.gateway)),
  ]
}

function profileOf({ env, profiles }: AgentSurroundings): Readonly<Record<string, string | undefined>> {
  return profiles[env['AWS_PROFILE'] ?? 'default'] ?? {}
}

function ignored(agent: AgentSurroundings): Finding {
  const { env } = agent
  const names = [
    ['AWS_IGNORE_CONFIGURED_ENDPOINT_URLS', env['AWS_IGNORE_CONFIGURED_ENDPOINT_URLS']],
    ['ignore_configured_endpoint_urls of the profile', profileOf(agent)['ignore_configured_endpoint_urls']],
  ] as const
  const set = names.find(([, value]) => value?.toLowerCase() === 'true')
  return set === undefined
    ? closed('endpoints that are configured count')
    : open(`${set[0]} is true: SDKs go to AWS whatever endpoint is configured`, `take ${set[0]} away`)
}

/** In the order in which SDKs look: the service's variable, the common one, the profile's service section, the profile. */
function endpoint(agent: AgentSurroundings, service: 'SQS' | 'STS'): Finding {
  const { env, profiles, gateway } = agent
  const profile = profileOf(agent)
  const services = profile['services'] === undefined ? {} : (profiles[`services.${profile['services']}`] ?? {})
  const places = [
    [`AWS_ENDPOINT_URL_${service}`, env[`AWS_ENDPOINT_URL_${service}`]],
    ['AWS_ENDPOINT_URL', env['AWS_ENDPOINT_URL']],
    [`the profile's services section`, services[`${service.toLowerCase()}.endpoint_url`]],
    [`the profile's endpoint_url`, profile['endpoint_url']],
  ] as const
  const [place, url] = places.find(([, value]) => value !== undefined && value !== '') ?? []
  if (url === undefined)
    return open(`no endpoint is set for ${service}: SDKs go to AWS`, `AWS_ENDPOINT_URL_${service}=${gateway}`)
  return originOf(url) === gateway
    ? closed(`${place} sends ${service} to the gateway`)
    : open(`${place} sends ${service} to ${url}`, `AWS_ENDPOINT_URL_${service}=${gateway}`)
}

/** Keys that are AWS's own would work at AWS, and every SDK takes them before it asks the gateway for others. */
function credentials(agent: AgentSurroundings): Finding {
  const { env, gateway } = agent
  const profile = profileOf(agent)
  const remedy = `take it away, and set AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ENDPOINT_URL_STS=${gateway}`
  if ((env['AWS_ACCESS_KEY_ID'] ?? '') !== '')
    return open('AWS_ACCESS_KEY_ID is set: these keys come first, and may be good at AWS', remedy)
  const key = ['aws_access_key_id', 'sso_session', 'sso_start_url', 'source_profile', 'credential_source'].find(
    (name) => profile[name] !== undefined,
  )
  if (key !== undefined) return open(`the profile has ${key}: it may lead to credentials that are good at AWS`, remedy)
  const role = (env['AWS_ROLE_ARN'] ?? '') !== '' && (env['AWS_WEB_IDENTITY_TOKEN_FILE'] ?? '') !== ''
  const container = env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? ''
  if (role || originOf(container) === gateway || profile['credential_process']?.includes(gateway) === true)
    return closed('credentials come from the gateway, and are worth nothing at AWS')
  return open('nothing gets credentials from the gateway', remedy)
}

function instanceRole({ env }: AgentSurroundings): Finding {
  return env['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true'
    ? closed('the instance’s own role is not asked for credentials')
    : open('where all else fails, SDKs ask for the instance’s own role', 'AWS_EC2_METADATA_DISABLED=true')
}

function proxy({ env, gateway }: AgentSurroundings): Finding {
  const { hostname, protocol } = new URL(gateway)
  const named = [protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY', 'ALL_PROXY']
  const name = named
    .flatMap((each) => [each, each.toLowerCase()])
    .find((each) => env[each] !== undefined && env[each] !== '')
  if (name === undefined) return closed('no proxy stands between')
  const excepted = (env['NO_PROXY'] ?? env['no_proxy'] ?? '').split(',').map((each) => each.trim())
  const passes = excepted.some(
    (each) => each === '*' || (each !== '' && `.${hostname}`.endsWith(`.${each.replace(/^\.|:\d+$/g, '')}`)),
  )
  return passes
    ? closed(`NO_PROXY keeps ${name} out of the way`)
    : open(`${name} is set: boto3 and Go go through it, and it sees and decides where`, `NO_PROXY=${hostname}`)
}

const AWS_QUEUE =
  /https?:\/\/(?:sqs(?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)|(?:[a-z0-9-]+\.)?queue\.amazonaws\.com)\/[^\s"'`]*/g
const KEEP =
  'use the queue URL that GetQueueUrl answers with at the gateway, or the bare name; in JavaScript useQueueUrlAsEndpoint: false'

/** The SDK for JavaScript 3, PHP's and older ones send a request to the host in its QueueUrl, whatever endpoint is set. */
function queueUrlsInEnvironment({ env }: AgentSurroundings): readonly Finding[] {
  return Object.entries(env).flatMap(([name, value]) =>
    (value?.match(AWS_QUEUE) ?? []).map((url) => open(`${name} holds ${url}: some SDKs send to that host`, KEEP)),
  )
}

/** SDKs of before there were AWS_ENDPOINT_URL_*, by what a program's own list of packages says. */
const DEAF: readonly {
  readonly file: RegExp
  readonly text: RegExp
  readonly what: string
  readonly remedy: string
}[] = [
  {
    file: /(?:^|\/)package\.json$/,
    text: /"aws-sdk"\s*:/,
    what: 'the SDK for JavaScript 2',
    remedy: 'new AWS.SQS({ endpoint }) and new AWS.STS({ endpoint })',
  },
  {
    file: /(?:^|\/)go\.mod$/,
    text: /github\.com\/aws\/aws-sdk-go\s/,
    what: 'the SDK for Go 1',
    remedy: 'aws.Config{Endpoint: …} for SQS and STS',
  },
  {
    file: /(?:^|\/)(?:pom\.xml|build\.gradle(?:\.kts)?)$/,
    text: /com\.amazonaws\b[\s\S]{0,80}aws-java-sdk/,
    what: 'the SDK for Java 1',
    remedy: 'withEndpointConfiguration(…) for SQS and STS',
  },
  {
    file: /(?:^|\/)(?:requirements[^/]*\.txt|Pipfile|pyproject\.toml)$/,
    text: /boto3\s*[=~<]=?\s*["']?1\.(?:1?\d|2[0-7])\b/,
    what: 'boto3 before 1.28',
    remedy: 'endpoint_url= for SQS and STS, or boto3 from 1.28',
  },
]

function inFile(name: string, text: string, gateway: string): readonly Finding[] {
  const deaf = DEAF.filter((each) => each.file.test(name) && each.text.test(text)).map(({ what, remedy }) =>
    open(`${name}: ${what} knows no AWS_ENDPOINT_URL_*`, `${remedy}, with ${gateway}`),
  )
  const urls = [...new Set(text.match(AWS_QUEUE) ?? [])].map((url) =>
    open(`${name} holds ${url}: some SDKs send to that host`, KEEP),
  )
  const ignores =
    /ignore_configured_endpoint_urls["']?\s*[=:]\s*["']?true|ignoreConfiguredEndpointUrls\(?\s*[:(]?\s*true/i
  return [
    ...deaf,
    ...urls,
    ...(ignores.test(text) ? [open(`${name} has the SDK ignore configured endpoints`, 'take that away')] : []),
  ]
}

function originOf(url: string): string | null {
  return URL.parse(url)?.origin ?? null
}
