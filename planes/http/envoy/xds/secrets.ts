import { existsSync } from 'node:fs'
import { rootCertificates } from 'node:tls'
import type { EnvoySettings, Upstream } from '../settings.ts'
import { authorityOf, certificateOf } from './clusters.ts'
import type { Written } from './snapshot.ts'

/** Where systems keep the authorities that they trust; Node's own list where there is none. */
const SYSTEM_AUTHORITIES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
]

/** Keys and certificates go to Envoy over the same stream as all else, never through a file. */
export function secrets({ tls, processorTls, upstreams }: EnvoySettings): readonly Written[] {
  return [
    ...(tls === null ? [] : [certificate('listener', tls)]),
    ...(processorTls === null
      ? []
      : [certificate('processor_client', processorTls), authority('processor_ca', processorTls.ca)]),
    ...upstreams.flatMap(ofUpstream),
  ]
}

function ofUpstream(upstream: Upstream): readonly Written[] {
  const { tls } = upstream
  if (tls === null) return []
  const trusted = authority(authorityOf(upstream), tls.ca)
  return tls.client === null ? [trusted] : [trusted, certificate(certificateOf(upstream), tls.client)]
}

function certificate(name: string, { cert, key }: { readonly cert: string; readonly key: string }): Written {
  const message = {
    name,
    tls_certificate: { certificate_chain: { inline_string: cert }, private_key: { inline_string: key } },
  }
  return { kind: 'secret', name, message }
}

function authority(name: string, pem: string | null): Written {
  const system = SYSTEM_AUTHORITIES.find((each) => existsSync(each))
  const trusted_ca =
    pem === null && system !== undefined ? { filename: system } : { inline_string: pem ?? rootCertificates.join('\n') }
  return { kind: 'secret', name, message: { name, validation_context: { trusted_ca } } }
}
